"""The house's people, sessions, twins and renders: where each lies on disk. Folders are the truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from capture.store import safe_name


@dataclass(frozen=True)
class Vault:
    """A folder that holds `people/<person>/…`. Names that could leave it are refused (ValueError)."""

    root: Path

    def person(self, person: str) -> Path:
        """Everything that exists of one person."""
        return self.root / "people" / safe_name(person)

    def consent_file(self, person: str, consent_id: str) -> Path:
        """The record of what she agreed to."""
        return self.person(person) / "consent" / f"{safe_name(consent_id)}.toml"

    def session(self, person: str, session: str) -> SessionFolder:
        """One shoot of hers."""
        return SessionFolder(self.person(person) / "sessions" / safe_name(session))

    def twin(self, person: str, twin: str) -> Path:
        """One trained twin of hers."""
        return self.person(person) / "twins" / safe_name(twin)

    def renders(self, person: str, name: str) -> Path:
        """One set of renders of a twin."""
        return self.person(person) / "renders" / safe_name(name)

    def find_session(self, session: str) -> SessionFolder:
        """The session of that name, whoever it is of. Raises ValueError when none or several have it."""
        found = sorted(self.root.glob(f"people/*/sessions/{safe_name(session)}"))
        if len(found) != 1:
            known = sorted(p.name for p in self.root.glob("people/*/sessions/*"))
            raise ValueError(f"session {session!r} is in the vault {len(found)} times; it holds {known}")
        return SessionFolder(found[0])


@dataclass(frozen=True)
class SessionFolder:
    """The folder of one ingested session."""

    root: Path

    @property
    def toml(self) -> Path:
        """The description of the shoot, as ingested."""
        return self.root / "session.toml"

    @property
    def originals(self) -> Path:
        """The files as they came, never changed, under their logical names."""
        return self.root / "originals"

    def derived(self, artefact: str) -> Path:
        """The folder of one artefact made from the originals."""
        return self.root / "derived" / safe_name(artefact)

    @property
    def vault(self) -> Vault:
        """The vault that the session lies in."""
        return Vault(self.root.parents[3])
