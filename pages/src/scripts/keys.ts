// Keys: an element with data-key is used when its keys are pressed. The page says which; here is only how.
//
// data-key="c"        one key, when no field has the focus
// data-key="g l"      one after the other
// data-key="$mod+k"   Ctrl, or the Command key of a Mac; in fields, too
//
// A dialog is opened or closed, a field gets the focus, everything else is clicked. Of several elements with the same key, the
// first visible one is used: `l` after `g` is `g l` and not `l`. <html data-keys="off"> switches single keys off (WCAG 2.1.4).
import { tinykeys, type KeybindingsMap } from "tinykeys"

const FIELDS = "input:not([type=checkbox], [type=radio], [type=button], [type=submit]), select, textarea, [contenteditable]"

let unbind = () => {}

/** Binds the keys of all elements that are in the page now. */
function bind(): void {
  const elements = [...document.querySelectorAll<HTMLElement>("[data-key]")]
  const all = new Set(elements.map((element) => element.dataset["key"] ?? ""))
  const bindings: KeybindingsMap = {}
  for (const keys of [...all].sort((one, other) => presses(other) - presses(one))) {
    bindings[onEveryLayout(keys)] = (event) => { press(keys, event) }
  }
  unbind()
  unbind = tinykeys(window, bindings, { ignore: isIgnored })
}

/** Returns how many keys are pressed one after the other. */
function presses(keys: string): number {
  return keys.split(" ").length
}

/** Returns keys that are found on every layout: `?` is Shift and ß in German, `[` is AltGr and 8. */
function onEveryLayout(keys: string): string {
  return keys.replace(/(^| )([^\p{L}\p{N} ])(?= |$)/gu, "$1[Shift]+[Alt]+[Control]+$2")
}

/** Uses the first visible element with these keys. Others handle the event if there is none. */
function press(keys: string, event: KeyboardEvent): void {
  if (event.defaultPrevented) return // a longer sequence ended with this key
  const element = [...document.querySelectorAll<HTMLElement>(`[data-key="${CSS.escape(keys)}"]`)].find(isReachable)
  if (!element) return
  event.preventDefault()
  use(element)
}

/** Opens a dialog or closes it, gives a field the focus, or clicks. */
export function use(element: HTMLElement): void {
  if (element instanceof HTMLDialogElement) {
    if (element.open) element.close()
    else element.showModal()
  } else if (element.matches(FIELDS)) {
    element.focus()
    if (element instanceof HTMLInputElement) element.select()
  } else {
    element.click()
  }
}

/** Returns whether an element can be used now: what is outside of an open dialog cannot. */
function isReachable(element: HTMLElement): boolean {
  const open = document.querySelector("dialog:modal")
  if (element instanceof HTMLDialogElement) return !open || open === element
  return (!open || open.contains(element)) && element.checkVisibility({ visibilityProperty: true }) && !element.matches(":disabled")
}

/** Returns whether a key belongs to somebody else: a field, an input method, or a browser's own shortcut. */
function isIgnored(event: KeyboardEvent): boolean {
  if (event.isComposing || event.repeat || event.defaultPrevented) return true
  const isModified = (event.ctrlKey || event.metaKey || event.altKey) && !event.getModifierState("AltGraph")
  if (isModified) return event.key.length === 1 && !/[\p{L}\p{N}]/u.test(event.key)
  if (document.documentElement.dataset["keys"] === "off") return event.key.length === 1
  return event.target instanceof Element && event.target.closest(FIELDS) !== null
}

bind()
document.addEventListener("htmx:after:swap", bind)
