// Making elements. Texts are text, never HTML; styles are adopted sheets, so a page may forbid inline ones.

/** Properties and attributes of an element; attributes are those with a dash, and `role` and `part`. */
export interface Given {
  readonly [name: string]: unknown;
}

/** A child: null is none. */
export type Child = Node | string | null;

/** Makes an element: `make("button", { type: "button", onclick: run }, "Save")`. */
export function make<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  given: Given = {},
  ...children: Child[]
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(given)) {
    if (value === undefined || value === null) continue;
    if (key.includes("-") || key === "role" || key === "list") made.setAttribute(key, String(value));
    else (made as unknown as Record<string, unknown>)[key] = value;
  }
  made.append(...children.filter((child): child is Node | string => child !== null));
  return made;
}

/** Sets an attribute if it is not so already; null takes it away. */
export function put(element: Element, name: string, value: string | null): void {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** Sets an element's text if it is not so already. */
export function write(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Puts elements into a parent, in order; what is in its place already is not touched, so focus and scroll stay. */
export function arrange(parent: Element, wanted: readonly Element[]): void {
  const kept = new Set(wanted);
  for (const child of [...parent.children]) if (!kept.has(child)) child.remove();
  let at = parent.firstElementChild;
  for (const element of wanted) {
    if (element === at) at = at.nextElementSibling;
    else parent.insertBefore(element, at);
  }
}

/** Adopts style sheets, made once for all elements of a kind. */
export function adopt(root: ShadowRoot, text: string): void {
  let sheet = sheets.get(text);
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(text);
    sheets.set(text, sheet);
  }
  root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];
}

const sheets = new Map<string, CSSStyleSheet>();
