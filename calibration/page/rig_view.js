(function () {
  "use strict";
  var scene = JSON.parse(document.getElementById("scene").textContent);
  var canvas = document.getElementById("rig"), pen = canvas.getContext("2d");
  if (!pen) return;
  document.getElementById("stills").hidden = true;
  document.getElementById("turn").hidden = false;

  var all = [];
  scene.cameras.forEach(function (c) { all = all.concat(c.points); });
  scene.boards.forEach(function (b) { all = all.concat(b); });
  scene.marks.forEach(function (m) { all.push(m.point); });
  if (!all.length) all = [[0, 0, 0]];
  var low = all[0].slice(), high = all[0].slice();
  all.forEach(function (p) {
    for (var k = 0; k < 3; k++) { low[k] = Math.min(low[k], p[k]); high[k] = Math.max(high[k], p[k]); }
  });
  var middle = [0, 1, 2].map(function (k) { return (low[k] + high[k]) / 2; });
  var reach = Math.max(1e-6, Math.hypot(high[0] - low[0], high[1] - low[1], high[2] - low[2]) / 2);
  var view;
  function begin() { view = { yaw: -0.7, pitch: 0.5, zoom: 1, x: 0, y: 0 }; }
  begin();

  function seen(p) {
    var x = (p[0] - middle[0]) / reach, y = (p[1] - middle[1]) / reach, z = (p[2] - middle[2]) / reach;
    var c = Math.cos(view.yaw), s = Math.sin(view.yaw);
    var right = c * x - s * y, ahead = s * x + c * y;
    var up = Math.cos(view.pitch) * z + Math.sin(view.pitch) * ahead;
    var depth = Math.cos(view.pitch) * ahead - Math.sin(view.pitch) * z;
    var size = view.zoom * Math.min(canvas.clientWidth, canvas.clientHeight) * 0.54 / (1 + 0.3 * depth);
    return [canvas.clientWidth / 2 + view.x + right * size, canvas.clientHeight / 2 + view.y - up * size, depth];
  }
  function outline(points) {
    pen.beginPath();
    points.forEach(function (p, n) { if (n) pen.lineTo(p[0], p[1]); else pen.moveTo(p[0], p[1]); });
    pen.closePath();
  }
  function floor() {
    var step = Math.pow(10, Math.round(Math.log10(reach / 2.5)));
    var from = [0, 1].map(function (k) { return Math.floor(low[k] / step) * step; });
    var to = [0, 1].map(function (k) { return Math.ceil(high[k] / step) * step; });
    pen.strokeStyle = "#d0d0ca"; pen.lineWidth = 1;
    for (var k = 0; k < 2; k++) {
      for (var v = from[k]; v <= to[k] + step / 2; v += step) {
        var a = k ? [from[0], v, 0] : [v, from[1], 0], b = k ? [to[0], v, 0] : [v, to[1], 0];
        var p = seen(a), q = seen(b);
        pen.beginPath(); pen.moveTo(p[0], p[1]); pen.lineTo(q[0], q[1]); pen.stroke();
      }
    }
    var corner = seen([from[0], from[1], 0]);
    pen.fillStyle = "#5f5f5a"; pen.textAlign = "center";
    pen.fillText("floor, " + (step >= 1 ? step + " m" : Math.round(step * 1000) + " mm") + " squares", corner[0], corner[1] + 16);
  }
  function board(points) {
    outline(points);
    pen.fillStyle = "rgba(42,111,219,.13)"; pen.fill();
    pen.strokeStyle = "rgba(42,111,219,.45)"; pen.lineWidth = 1; pen.stroke();
  }
  function camera(item, points) {
    var colour = item.bad ? "#a3221a" : "#1d1d1b";
    outline(points.slice(1));
    pen.fillStyle = item.bad ? "rgba(163,34,26,.2)" : "rgba(29,29,27,.12)"; pen.fill();
    pen.strokeStyle = colour; pen.lineWidth = 1.6; pen.stroke();
    pen.beginPath();
    for (var n = 1; n < 5; n++) { pen.moveTo(points[0][0], points[0][1]); pen.lineTo(points[n][0], points[n][1]); }
    pen.stroke();
    var x = points[0][0] - (points[1][0] + points[3][0]) / 2, y = points[0][1] - (points[1][1] + points[3][1]) / 2;
    var away = Math.hypot(x, y) || 1;
    pen.fillStyle = colour; pen.textAlign = Math.abs(x) < 0.5 * away ? "center" : x > 0 ? "left" : "right";
    pen.fillText(item.name, points[0][0] + 8 * x / away, points[0][1] + (away > 1 ? 12 * y / away : -14) + 5);
  }
  function draw() {
    var ratio = window.devicePixelRatio || 1;
    canvas.width = canvas.clientWidth * ratio; canvas.height = canvas.clientHeight * ratio;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.font = "15px Helvetica, Arial, sans-serif";
    pen.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
    if (scene.floor) floor();
    var items = scene.boards.map(function (b) {
      var p = b.map(seen); return { depth: p[0][2], paint: function () { board(p); } };
    }).concat(scene.cameras.map(function (c) {
      var p = c.points.map(seen); return { depth: p[0][2], paint: function () { camera(c, p); } };
    }));
    items.sort(function (a, b) { return b.depth - a.depth; }).forEach(function (item) { item.paint(); });
    scene.marks.forEach(function (m) {
      var p = seen(m.point);
      pen.beginPath(); pen.arc(p[0], p[1], 3.5, 0, 7); pen.fillStyle = "#8a3ab9"; pen.fill();
      if (view.zoom > 2) { pen.textAlign = "left"; pen.fillText(m.name, p[0] + 6, p[1] + 4); }
    });
  }
  function nearer(by) { view.zoom = Math.min(60, Math.max(0.2, view.zoom * by)); draw(); }
  function turn(dx, dy) {
    view.yaw += dx * 0.008;
    view.pitch = Math.min(1.57, Math.max(-1.57, view.pitch + dy * 0.008));
    draw();
  }
  var last = null;
  canvas.addEventListener("pointerdown", function (e) { last = [e.clientX, e.clientY]; canvas.setPointerCapture(e.pointerId); });
  canvas.addEventListener("pointerup", function () { last = null; });
  canvas.addEventListener("pointermove", function (e) {
    if (!last) return;
    var dx = e.clientX - last[0], dy = e.clientY - last[1];
    last = [e.clientX, e.clientY];
    if (e.shiftKey) { view.x += dx; view.y += dy; draw(); } else turn(dx, dy);
  });
  canvas.addEventListener("wheel", function (e) {
    if (!e.ctrlKey) return;
    e.preventDefault(); nearer(Math.exp(-e.deltaY * 0.002));
  }, { passive: false });
  canvas.addEventListener("dblclick", function () { begin(); draw(); });
  canvas.addEventListener("keydown", function (e) {
    var keys = { ArrowLeft: [-25, 0], ArrowRight: [25, 0], ArrowUp: [0, -25], ArrowDown: [0, 25] };
    if (keys[e.key]) { e.preventDefault(); turn(keys[e.key][0], keys[e.key][1]); }
    if (e.key === "+" || e.key === "=") nearer(1.25);
    if (e.key === "-" || e.key === "−") nearer(0.8);
  });
  window.addEventListener("resize", draw);
  draw();
})();
