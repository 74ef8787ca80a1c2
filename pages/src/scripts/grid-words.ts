// The texts that the scripts of the table show. The server writes them into the page in the user's language.
let words: Record<string, string> | null = null

/** Returns a text by its name. */
export function word(name: string): string {
  words ??= JSON.parse(document.getElementById("grid-words")?.dataset["words"] ?? "{}") as Record<string, string>
  return words[name] ?? name
}
