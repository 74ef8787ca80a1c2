// Requests of htmx that change something carry the token of the page.
const READS = new Set(["GET", "HEAD"])

/** Returns the header with the token that the server wrote into the page. The token differs in each answer. */
export function tokenHeader(): Record<string, string> {
  const token = document.querySelector<HTMLMetaElement>("meta[name=token]")?.content
  return token ? { "X-Token": token } : {}
}

document.addEventListener("htmx:config:request", ({ detail: { ctx } }) => {
  if (!READS.has(ctx.request.method.toUpperCase())) Object.assign(ctx.request.headers, tokenHeader())
})
