// Menus and other popovers. The browser opens and closes them (popovertarget, Esc, a press elsewhere), and gives the focus back.
// Added here: the keys of a menu, the state on its button, and a place beside it where CSS cannot find one.
const ITEMS = "[role=menuitem], [role=menuitemcheckbox], [role=menuitemradio]"
const GAP = 4

/** The button that opened a popover. */
const openers = new WeakMap<HTMLElement, HTMLElement>()

document.addEventListener("click", ({ target }) => {
  if (!(target instanceof Element)) return
  const button = target.closest<HTMLButtonElement>("button[popovertarget]")
  if (button?.popoverTargetElement instanceof HTMLElement) openers.set(button.popoverTargetElement, button)
  if (target.closest(ITEMS)) target.closest<HTMLElement>("[popover]")?.hidePopover()
}, { capture: true })

// The browser gives the focus to the element with autofocus at once, so that a quick next key finds it.
document.addEventListener("beforetoggle", (event) => {
  const popover = popoverOf(event)
  if (!popover) return
  opener(popover)?.setAttribute("aria-expanded", String(event.newState === "open"))
  if (popover.getAttribute("role") !== "menu") return
  const [first] = items(popover)
  for (const item of popover.querySelectorAll<HTMLElement>(ITEMS)) item.autofocus = item === first
}, { capture: true })

document.addEventListener("toggle", (event) => {
  const popover = popoverOf(event)
  const button = popover && opener(popover)
  if (button && event.newState === "open" && !CSS.supports("position-area", "block-end")) place(popover, button)
}, { capture: true })

document.addEventListener("keydown", (event) => {
  const menu = event.target instanceof Element ? event.target.closest<HTMLElement>("[role=menu]") : null
  if (!menu || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return
  const all = items(menu)
  const chosen = next(all, all.indexOf(document.activeElement as HTMLElement), event.key)
  if (event.key === "Tab") menu.hidePopover()
  if (!chosen) return
  event.preventDefault()
  event.stopPropagation()
  chosen.focus()
})

/** Returns the popover of an event, or nothing if the event is about something else, such as an element `details`. */
function popoverOf(event: Event): HTMLElement | null {
  return event.target instanceof HTMLElement && event.target.matches(".menu, .pop") ? event.target : null
}

/** Returns the button that opened a popover, or one that can. */
function opener(popover: HTMLElement): HTMLElement | null {
  return openers.get(popover) ?? document.querySelector(`[popovertarget="${CSS.escape(popover.id)}"]`)
}

/** Returns the items of a menu that can be chosen. */
function items(menu: HTMLElement): HTMLElement[] {
  return [...menu.querySelectorAll<HTMLElement>(ITEMS)].filter((item) => !item.matches(":disabled, [hidden]"))
}

/** Returns the item to which a key leads from the item at `index`: by arrows, to an end, or by its first letter. */
function next(all: HTMLElement[], index: number, key: string): HTMLElement | undefined {
  if (key === "ArrowDown") return all[(index + 1) % all.length]
  if (key === "ArrowUp") return all.at(index <= 0 ? -1 : index - 1)
  if (key === "Home") return all[0]
  if (key === "End") return all.at(-1)
  if (key.length !== 1 || key === " ") return undefined
  const after = [...all.slice(index + 1), ...all.slice(0, index + 1)]
  return after.find((item) => item.textContent.trim().toLocaleLowerCase().startsWith(key.toLocaleLowerCase()))
}

/** Puts a popover below its button, or above if there is no room, and inside the window. */
function place(popover: HTMLElement, button: HTMLElement): void {
  const at = button.getBoundingClientRect()
  const { width, height } = popover.getBoundingClientRect()
  const below = at.bottom + GAP
  const top = below + height <= innerHeight ? below : Math.max(GAP, at.top - GAP - height)
  popover.style.setProperty("top", `${top}px`)
  popover.style.setProperty("left", `${Math.max(GAP, Math.min(at.left, innerWidth - width - GAP))}px`)
}
