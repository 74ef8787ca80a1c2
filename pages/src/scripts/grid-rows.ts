// Further rows come when the end is near. At most 300 are in the document: others wait, and a spacer keeps their place.
const ROWS_MAX = 300
const BLOCK = 100

const above: HTMLTableRowElement[][] = []
const below: HTMLTableRowElement[][] = []
let isLoading = false

export function watchRows(): void {
  const observer = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting && entry.target instanceof HTMLElement) near(entry.target)
  }, { rootMargin: "1000px" })
  const observe = (): void => {
    observer.disconnect()
    for (const end of document.querySelectorAll(".leads [data-end], .leads .spacer")) observer.observe(end)
  }
  document.addEventListener("springhead:rows", observe)
  observe()
  document.addEventListener("scroll", ({ target }) => {
    if (target instanceof HTMLElement && target.matches(".tw")) target.toggleAttribute("data-x", target.scrollLeft > 0)
  }, { capture: true, passive: true })
}

/** Forgets the rows that wait, because the table is another one. */
export function forgetRows(): void {
  above.length = below.length = 0
  changed()
}

function changed(): void {
  document.dispatchEvent(new Event("springhead:rows"))
}

function body(): HTMLTableSectionElement | null {
  return document.querySelector<HTMLTableSectionElement>(".leads tbody")
}

function near(end: HTMLElement): void {
  if (end.matches(".spacer.above")) back(above, below)
  else if (end.matches(".spacer.below")) back(below, above)
  else if (below.length === 0) void load(end)
}

/** Brings the last block of `from` back, and lets as many rows at the other end wait. */
function back(from: HTMLTableRowElement[][], to: HTMLTableRowElement[][]): void {
  const block = from.pop()
  const table = body()
  if (!block || !table) return
  const leads = [...table.querySelectorAll<HTMLTableRowElement>("tr[data-id]")]
  if (from === above) leads[0]?.before(...block)
  else leads.at(-1)?.after(...block)
  trim(to)
}

async function load(end: HTMLElement): Promise<void> {
  const link = end.querySelector<HTMLAnchorElement>("a[data-more]")
  if (!link || isLoading) return
  isLoading = true
  try {
    const answer = await fetch(link.href, { headers: { "HX-Request": "true" } })
    if (!answer.ok || !end.isConnected) return
    const fresh = new DOMParser().parseFromString(`<table>${await answer.text()}</table>`, "text/html")
    end.replaceWith(...fresh.querySelectorAll("tr"))
    trim(above)
  } catch {
    // the link stays, and can be pressed
  } finally {
    isLoading = false
  }
}

/** Lets rows wait at one end until at most ROWS_MAX are there, and sizes the spacers. */
function trim(to: HTMLTableRowElement[][]): void {
  const table = body()
  if (!table) return
  let leads = [...table.querySelectorAll<HTMLTableRowElement>("tr[data-id]")]
  const height = leads[0]?.offsetHeight ?? 34
  while (leads.length > ROWS_MAX) {
    const block = to === above ? leads.slice(0, BLOCK) : leads.slice(-BLOCK)
    if (block.some((row) => row.contains(document.activeElement) && document.activeElement?.matches("input, select"))) break
    for (const row of block) row.remove()
    to.push(block)
    leads = leads.filter((row) => !block.includes(row))
  }
  space(table, "above", above.flat().length * height)
  space(table, "below", below.flat().length * height)
  changed()
}

function space(table: HTMLTableSectionElement, name: "above" | "below", height: number): void {
  let spacer = table.querySelector<HTMLTableRowElement>(`.spacer.${name}`)
  if (!height) {
    spacer?.remove()
    return
  }
  if (!spacer) {
    spacer = document.createElement("tr")
    spacer.className = `spacer ${name}`
    spacer.setAttribute("role", "presentation")
    if (name === "above") table.prepend(spacer)
    else table.querySelector("[data-end]")?.before(spacer)
  }
  spacer.style.setProperty("height", `${height}px`)
}
