// Scripts that only some pages need. Each is a file of its own, loaded when the page has an element that it serves.
interface Part {
  /** Serves the elements that are in the page now. Called once. */
  start(): void
}

const PARTS: Record<string, () => Promise<Part>> = {
  "[data-show-password], [data-caps-lock]": () => import("./password"),
}

const waiting = new Map(Object.entries(PARTS))

/** Loads the parts for which there is an element now. */
function load(): void {
  for (const [selector, part] of waiting) {
    if (!document.querySelector(selector)) continue
    waiting.delete(selector)
    void part().then(({ start }) => { start() })
  }
}

load()
document.addEventListener("htmx:after:swap", load)
