// The settings of htmx. It reads them once, from a meta element, when its own module is loaded: import this one before.
const settings = {
  /** The styles of the indicator are in our own style sheet. */
  includeIndicatorCSS: false,
  /** What a morph leaves as it is: our scripts set widths with element.style. */
  morphIgnore: ["data-htmx-powered", "style"],
  /** No other extension can be loaded. */
  extensions: "sse",
}

const meta = document.createElement("meta")
meta.name = "htmx-config"
meta.content = JSON.stringify(settings)
document.head.append(meta)
