"""ASC MHL histories: one sealed list of hashes for every hand that a folder passes through, after ASC MHL v1.0."""
