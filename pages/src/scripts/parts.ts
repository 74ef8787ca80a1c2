// Scripts that only some pages need. Each is a file of its own, loaded when the page has an element that it serves, and started
// again when htmx brings more of them.
interface Part {
  /** Serves the elements that are in the page now. Elements that are served already stay as they are. */
  start(): void
}

const PARTS: Record<string, () => Promise<Part>> = {
  ".leads, #strip": () => import("./grid"),
  "[data-known]": () => import("./known"),
  "[data-show-password], [data-caps-lock]": () => import("./password"),
  "[data-sortable]": () => import("./sortable"),
}

/** Loads the parts for which there is an element now, and starts them. The browser loads each once. */
function load(): void {
  for (const [selector, part] of Object.entries(PARTS)) {
    if (document.querySelector(selector)) void part().then(({ start }) => { start() })
  }
}

load()
document.addEventListener("htmx:after:swap", load)
