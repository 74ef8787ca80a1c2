// Elements that people put in order: the children of data-sortable, by mouse, by touch, and by Alt with an arrow. With
// data-sortable="horizontal" they stand beside each other. A child with data-fixed stays where it is.
//
// After each move, the event `sorted` bubbles from the container. A form posts the new order with hx-trigger="sorted": its
// inputs are in the order of the page.
import Sortable from "sortablejs"

const MOVES: Record<string, { by: 1 | -1; horizontal: boolean }> = {
  ArrowUp: { by: -1, horizontal: false },
  ArrowDown: { by: 1, horizontal: false },
  ArrowLeft: { by: -1, horizontal: true },
  ArrowRight: { by: 1, horizontal: true },
}

/** Serves the containers that are in the page now. */
export function start(): void {
  for (const container of document.querySelectorAll<HTMLElement>("[data-sortable]")) {
    if (Sortable.get(container)) continue
    Sortable.create(container, {
      animation: matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 160,
      delay: 200, // a finger that scrolls does not drag
      delayOnTouchOnly: true,
      direction: isHorizontal(container) ? "horizontal" : "vertical",
      draggable: ">:not([data-fixed])",
      filter: "input:not([type=hidden]), textarea, select",
      ghostClass: "drop",
      preventOnFilter: false,
      onEnd: ({ oldIndex, newIndex }) => { if (oldIndex !== newIndex) say(container) },
    })
    container.addEventListener("keydown", move)
  }
}

/** Moves the child with the focus past its neighbour, for Alt and an arrow. */
function move(event: KeyboardEvent): void {
  const container = event.currentTarget as HTMLElement
  const step = event.altKey && !event.ctrlKey && !event.metaKey ? MOVES[event.key] : undefined
  const child = [...container.children].find((element) => element.contains(event.target as Node))
  if (!step || !child || step.horizontal !== isHorizontal(container) || child.matches("[data-fixed]")) return
  event.preventDefault() // Alt and left would leave the page
  const neighbour = step.by === 1 ? child.nextElementSibling : child.previousElementSibling
  if (!neighbour || neighbour.matches("[data-fixed]")) return
  const kept = document.activeElement
  if (step.by === 1) neighbour.after(child)
  else neighbour.before(child)
  if (kept instanceof HTMLElement) kept.focus()
  say(container)
}

function isHorizontal(container: HTMLElement): boolean {
  return container.dataset["sortable"] === "horizontal"
}

function say(container: HTMLElement): void {
  container.dispatchEvent(new CustomEvent("sorted", { bubbles: true }))
}
