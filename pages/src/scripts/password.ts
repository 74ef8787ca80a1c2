// Fields of passwords: data-show-password="ID" is the button that shows the field, data-caps-lock="ID" the hint about Caps Lock.
export function start(): void {
  for (const button of document.querySelectorAll<HTMLButtonElement>("[data-show-password]")) {
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
  for (const hint of document.querySelectorAll<HTMLElement>("[data-caps-lock]")) {
    const field = document.getElementById(hint.dataset["capsLock"] ?? "")
    for (const kind of ["keydown", "keyup"] as const) {
      field?.addEventListener(kind, (event) => { hint.hidden = !event.getModifierState("CapsLock") })
    }
    field?.addEventListener("blur", () => { hint.hidden = true })
  }
}
