// The pictures of the bell, drawn here: lines of 24 units, in the colour of the text.

const NS = "http://www.w3.org/2000/svg";

const PATHS = {
  bell: "M6 16.5V11a6 6 0 0 1 12 0v5.5l1.5 2h-15zM10 21h4",
  check: "M5 12.5l4.5 4.5L19 7.5",
  allRead: "M2 12.5l4.5 4.5L15 8.5M11.5 15.5L13 17l9-9",
  unread: "M12 8.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7z",
  remove: "M5 7h14M10 7V4.5h4V7M7 7l.8 12.5h8.4L17 7M10.5 10.5v5.5M13.5 10.5v5.5",
  more: "M6 12h.01M12 12h.01M18 12h.01",
  settings: "M4 7.5h9M19 7.5h1M4 16.5h1M11 16.5h9M16 5v5M8 14v5",
  close: "M7 7l10 10M17 7L7 17",
  back: "M14.5 6l-6 6 6 6",
  up: "M12 19V6M6 11l6-6 6 6",
  warn: "M12 4.5L21 19.5H3zM12 10.5v4M12 17h.01",
} as const;

/** A picture's name. */
export type IconName = keyof typeof PATHS;

/** A picture that says nothing to a screen reader: its button has words. */
export function icon(name: IconName): SVGSVGElement {
  const svg = document.createElementNS(NS, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", `icon icon-${name}`);
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(NS, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}
