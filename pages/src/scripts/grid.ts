// The table of leads: the focused cell, and the keys that move it, edit it and select rows.
import { edit, isEditing } from "./grid-edit"
import { watchFilter } from "./grid-filter"
import { watchRows } from "./grid-rows"
import { watchSearch } from "./grid-search"
import { act, clear, isSelecting, selectAll, toggle, watchSelection } from "./grid-selection"

const FIELDS = "input:not([type=checkbox]), select, textarea, [contenteditable]"

/** Returns the cells of a row that can have the focus: all but the checkbox. */
export function cells(row: Element): HTMLTableCellElement[] {
  return [...row.querySelectorAll<HTMLTableCellElement>("td[role=gridcell]:not(.pick)")]
}

/** Returns the rows of leads that are in the document. */
export function rows(): HTMLTableRowElement[] {
  return [...document.querySelectorAll<HTMLTableRowElement>(".leads tbody tr[data-id]")]
}

/** Returns the cell that has the focus of the table, even while the focus of the page is elsewhere. */
export function current(): HTMLTableCellElement | null {
  return document.querySelector<HTMLTableCellElement>(".leads td.cur")
}

/** Gives a cell the focus. */
export function focus(cell: HTMLTableCellElement | undefined): void {
  if (!cell) return
  const before = current()
  before?.classList.remove("cur")
  before?.removeAttribute("tabindex")
  cell.classList.add("cur")
  cell.tabIndex = -1
  cell.focus({ preventScroll: true })
  cell.scrollIntoView({ block: "nearest", inline: "nearest" })
}

/** Moves the focus by rows and columns. Returns whether there was a cell to move to. */
export function move(down: number, right: number, from = current()): boolean {
  const all = rows()
  const row = from?.closest("tr")
  if (!from || !row) {
    focus(all[0] && cells(all[0])[0])
    return all.length > 0
  }
  const target = all[Math.max(0, Math.min(all.length - 1, all.indexOf(row as HTMLTableRowElement) + down))]
  const column = cells(row).indexOf(from) + right
  const cell = target && cells(target)[column]
  if (cell) focus(cell)
  return Boolean(cell) && (cell !== from)
}

const MOVES: Record<string, [number, number]> = {
  ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1],
  j: [1, 0], k: [-1, 0], PageDown: [15, 0], PageUp: [-15, 0],
}

const ACTIONS: Record<string, string> = { s: "status", a: "owner", l: "list", Delete: "delete" }

/** Handles a key while no field has the focus. Returns whether it was one of the table. */
function handle(event: KeyboardEvent): boolean {
  const { key } = event
  const cell = current()
  const row = cell?.closest("tr")
  if ((event.ctrlKey || event.metaKey) && key.toLowerCase() === "a" && cell) return selectAll()
  if (event.ctrlKey || event.metaKey || event.altKey) return false
  const singles = document.documentElement.dataset["keys"] !== "off"
  const step = MOVES[key]
  if (step && (key.length > 1 || singles)) return move(...step) || Boolean(cell)
  if (key === "Escape" && isSelecting()) return clear()
  const action = ACTIONS[key]
  if (action && isSelecting()) return act(action)
  if (!cell || !row) return false
  if (key === "Home" || key === "End") {
    focus(cells(row).at(key === "Home" ? 0 : -1))
    return true
  }
  if (key === "Enter" || key === "F2") return edit(cell)
  if (key === "Delete" || key === "Backspace") return edit(cell, "")
  if (singles && key.toLowerCase() === "x") return toggle(row, event.shiftKey)
  if (singles && key === "o") {
    row.querySelector<HTMLAnchorElement>(".name a")?.click()
    return true
  }
  return false
}

let isStarted = false

export function start(): void {
  if (isStarted) return
  isStarted = true
  document.addEventListener("keydown", (event) => {
    const { target } = event
    if (event.isComposing || event.defaultPrevented || isEditing()) return
    if (!(target instanceof Element) || target.closest(FIELDS) || document.querySelector("dialog:modal, [popover]:popover-open")) return
    if (target.closest("a, button") && (event.key === "Enter" || event.key === " ")) return
    if (handle(event)) event.preventDefault()
  })
  document.addEventListener("click", ({ target }) => {
    const cell = target instanceof Element ? target.closest<HTMLTableCellElement>(".leads tbody td[role=gridcell]:not(.pick)") : null
    if (cell?.closest("tr[data-id]") && !isEditing()) focus(cell)
  })
  document.addEventListener("dblclick", ({ target }) => {
    const cell = target instanceof Element ? target.closest<HTMLTableCellElement>(".leads tbody td[role=gridcell]:not(.pick)") : null
    if (cell?.closest("tr[data-id]")) edit(cell)
  })
  document.addEventListener("focusin", ({ target }) => {
    if (target instanceof HTMLElement && target.matches(".results .tw") && !current() && target.matches(":focus-visible")) move(0, 0)
  })
  watchFilter()
  watchRows()
  watchSearch()
  watchSelection()
}
