// Builds the assets of the pages into a folder: node build.mjs FOLDER DIGEST.
// The folder gets each file under a hashed name, compressed copies beside it, and manifest.json.
import { createHash } from "node:crypto"
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs"
import { basename, extname, join } from "node:path"
import { brotliCompressSync, constants, gzipSync } from "node:zlib"
import { build } from "esbuild"

const [folder, sources] = process.argv.slice(2)
const here = import.meta.dirname
const packages = join(here, "node_modules")

/** The oldest browsers with light-dark(), which the colours of both themes need. */
const BROWSERS = ["chrome123", "edge123", "firefox120", "safari17.5"]
const COMPRESSED = new Set([".css", ".js", ".svg", ".txt"])

/** The files of the manifest by logical name. */
const files = {}
/** The packages of which a part is in the files. */
const used = new Set(["lucide-static"])

mkdirSync(folder, { recursive: true })
const bundle = await bundled()
writeBundle(bundle)
const icons = readFileSync(join(here, "src", "icons.txt"), "utf8").trim().split("\n")
write("icons.svg", hashed("icons.svg", sprite(icons)), sprite(icons))
const logo = readFileSync(join(here, "src", "logo.svg"))
write("logo.svg", hashed("logo.svg", logo), logo)
const licences = Buffer.from([...used].sort().map(licence).join("\n"))
write("licences.txt", hashed("licences.txt", licences), licences)
const sorted = Object.fromEntries(Object.entries(files).sort(([one], [other]) => (one < other ? -1 : 1)))
writeFileSync(join(folder, "manifest.json"), JSON.stringify({ sources, icons, files: sorted }, null, 1) + "\n")

/** Returns the bundle of all scripts and styles, with the fonts that the styles name. Nothing is written. */
async function bundled() {
  return await build({
    absWorkingDir: here,
    entryPoints: { app: "src/scripts/app.ts", "app-css": "src/styles/app.css" },
    outdir: folder,
    entryNames: "[name].[hash]",
    chunkNames: "[name].[hash]",
    assetNames: "[name].[hash]",
    bundle: true,
    splitting: true,
    format: "esm",
    target: BROWSERS,
    minify: true,
    charset: "utf8",
    legalComments: "none", // licences.txt has them
    loader: { ".woff2": "file" },
    metafile: true,
    write: false,
    logLevel: "warning",
  })
}

/** Writes the files of the bundle. The logical name of app.HASH.js is app.js. */
function writeBundle({ outputFiles, metafile }) {
  for (const input of Object.keys(metafile.inputs)) {
    const [, name] = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(input) ?? []
    if (name) used.add(name)
  }
  for (const { path, contents } of outputFiles) {
    const name = basename(path).replace(/^app-css/, "app")
    const shared = name.startsWith("chunk.") // a part of several scripts: only they name it
    write(shared ? name : name.replace(/\.[A-Z0-9]{8}\./, "."), name, contents)
  }
}

/** Returns an SVG with a symbol for each icon. Its id is the name of the icon. */
function sprite(names) {
  const symbols = names.map((name) => {
    const source = readFileSync(join(packages, "lucide-static", "icons", `${name}.svg`), "utf8")
    const [, shapes] = /<svg[^>]*>(.*)<\/svg>/s.exec(source)
    return `<symbol id="${name}" viewBox="0 0 24 24">${shapes.replace(/\s*\n\s*/g, "").replaceAll(" />", "/>")}</symbol>`
  })
  return Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg">${symbols.join("")}</svg>`)
}

/** Returns the name and the licence of a package, with its text. */
function licence(name) {
  const { version, license } = JSON.parse(readFileSync(join(packages, name, "package.json"), "utf8"))
  const text = readdirSync(join(packages, name)).find((file) => /^licen[cs]e/i.test(file))
  if (!text) throw new Error(`${name} has no file with its licence`)
  return `${name} ${version} (${license})\n\n${readFileSync(join(packages, name, text), "utf8").trim()}\n`
}

/** Returns the name with a hash of the content in it. */
function hashed(name, content) {
  const hash = createHash("sha256").update(content).digest("hex").slice(0, 8).toUpperCase()
  return `${basename(name, extname(name))}.${hash}${extname(name)}`
}

/** Writes a file and its compressed copies, and adds it to the manifest. */
function write(logical, name, content) {
  if (files[logical]) throw new Error(`two files would be ${logical}`)
  const integrity = `sha384-${createHash("sha384").update(content).digest("base64")}`
  writeFileSync(join(folder, name), content)
  files[logical] = { name, size: content.length, integrity }
  if (!COMPRESSED.has(extname(name))) return
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: content.length }
  writeFileSync(join(folder, `${name}.br`), brotliCompressSync(content, { params }))
  writeFileSync(join(folder, `${name}.gz`), gzipSync(content, { level: 9 }))
}
