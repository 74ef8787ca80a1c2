// Fields of passwords: data-show-password="ID" is the button that shows the field, data-caps-lock="ID" the hint about Caps Lock.
const served = new WeakSet<Element>()

/** Returns the elements of a selector that no earlier start has served. */
function unserved<E extends HTMLElement>(selector: string): E[] {
  const found = [...document.querySelectorAll<E>(selector)].filter((element) => !served.has(element))
  for (const element of found) served.add(element)
  return found
}

/** Serves the fields that are in the page now. */
export function start(): void {
  for (const button of unserved<HTMLButtonElement>("[data-show-password]")) {
    const field = document.getElementById(button.dataset["showPassword"] ?? "")
    if (!(field instanceof HTMLInputElement)) continue
    button.hidden = false
    button.addEventListener("click", () => {
      const isShown = field.type === "password"
      field.type = isShown ? "text" : "password"
      button.ariaPressed = String(isShown)
      field.focus()
    })
  }
  for (const hint of unserved("[data-caps-lock]")) {
    const field = document.getElementById(hint.dataset["capsLock"] ?? "")
    for (const kind of ["keydown", "keyup"] as const) {
      field?.addEventListener(kind, (event) => { hint.hidden = !event.getModifierState("CapsLock") })
    }
    field?.addEventListener("blur", () => { hint.hidden = true })
  }
}
