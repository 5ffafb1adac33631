// Bundles src/index.js with all that it imports, and prints how large that is. Use your own bundler here:
//   npx esbuild src/index.js --bundle --minify | gzip -9 | wc -c
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { gzipSync } from "node:zlib";

const seen = new Set();
const bundle = (path) => {
  if (seen.has(path)) return "";
  seen.add(path);
  const text = readFileSync(path, "utf8");
  const imported = [...text.matchAll(/^import .* from "(\..*)";$/gm)].map((found) => resolve(dirname(path), found[1]));
  const own = text.replace(/^import .*$/gm, "").replace(/^\s*\/\/.*$/gm, "").replace(/^\s+/gm, "");
  return imported.map(bundle).join("") + own;
};
console.log(`gzip_bytes: ${gzipSync(bundle(resolve("src/index.js")), { level: 9 }).length}`);
