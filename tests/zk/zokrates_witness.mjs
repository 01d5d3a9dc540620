// node zokrates_witness.mjs NODE_MODULES SOURCE ARGUMENTS: compile, run, print what the program returns.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [modules, source, args] = process.argv.slice(2);
const { initialize } = createRequire(join(modules, "package.json"))("zokrates-js");
const zokrates = (await initialize()).withOptions({ backend: "ark", scheme: "g16", curve: "bn128" });
const artifacts = zokrates.compile(readFileSync(source, "utf8"));
console.log(zokrates.computeWitness(artifacts, JSON.parse(args)).output);
