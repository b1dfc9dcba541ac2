// A line chart of points in time: plain SVG, a caption with the key, the newest values as text.

const SVG = "http://www.w3.org/2000/svg";
const LEFT = 46, RIGHT = 8, TOP = 8, BOTTOM = 22;

function svg(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

function step(top) {
  const power = 10 ** Math.floor(Math.log10(top));
  return [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= top);
}

function pieces(points, name) {
  const found = [[]];
  for (const point of points) {
    if (point[name] === null || point[name] === undefined) found.push([]);
    else found.at(-1).push(point);
  }
  return found.filter((piece) => piece.length);
}

// lines: [{name, label}]; show: number to text; least: the smallest top of the scale
export function chart(figure, title, points, lines, show, least = 1) {
  const width = Math.max(280, figure.clientWidth - 34 || 520), height = 190;
  const newest = points.at(-1) || {};
  const caption = document.createElement("figcaption");
  const heading = document.createElement("b");
  heading.textContent = title;
  caption.append(heading);
  lines.forEach((line, place) => {
    const key = document.createElement("span");
    key.className = place ? "key two" : "key";
    const value = newest[line.name];
    key.textContent = `${line.label} ${value === null || value === undefined ? "–" : show(value)}`;
    caption.append(key);
  });
  const root = svg("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": caption.textContent });
  const all = points.flatMap((point) => lines.map((line) => point[line.name] || 0));
  const most = step(Math.max(least, ...all));
  const first = points.length ? points[0].at : 0;
  const span = Math.max(60, points.length ? newest.at - first : 60);
  const end = points.length ? newest.at : 60;
  const x = (at) => LEFT + ((at - (end - span)) / span) * (width - LEFT - RIGHT);
  const y = (value) => height - BOTTOM - (value / most) * (height - TOP - BOTTOM);
  for (const part of [0, 0.5, 1]) {
    root.append(svg("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(most * part), y2: y(most * part) }));
    root.append(svg("text", { x: LEFT - 8, y: y(most * part) + 4, "text-anchor": "end" }, show(most * part)));
  }
  root.append(svg("text", { x: LEFT, y: height - 5 }, `${Math.round(span / 60)} min ago`));
  root.append(svg("text", { x: width - RIGHT, y: height - 5, "text-anchor": "end" }, "now"));
  lines.forEach((line, place) => {
    for (const piece of pieces(points, line.name)) {
      const path = piece.map((point, n) => `${n ? "L" : "M"}${x(point.at).toFixed(1)} ${y(point[line.name]).toFixed(1)}`).join("");
      if (!place) {
        const [from, to] = [x(piece[0].at), x(piece.at(-1).at)];
        root.append(svg("path", { class: "fill", d: `${path}L${to.toFixed(1)} ${y(0)}L${from.toFixed(1)} ${y(0)}Z` }));
      }
      root.append(svg("path", { class: place ? "line two" : "line", d: path }));
    }
  });
  figure.replaceChildren(caption, root);
}
