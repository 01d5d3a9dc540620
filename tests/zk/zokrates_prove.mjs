// node zokrates_prove.mjs NODE_MODULES SOURCE ARGUMENTS FOLDER: compile, set up, prove; writes key, proof and output.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [modules, source, args, folder] = process.argv.slice(2);
const { initialize } = createRequire(join(modules, "package.json"))("zokrates-js");
const zokrates = (await initialize()).withOptions({ backend: "ark", scheme: "g16", curve: "bn128" });
const artifacts = zokrates.compile(readFileSync(source, "utf8"));
const { witness, output } = zokrates.computeWitness(artifacts, JSON.parse(args));
const { vk, pk } = zokrates.setup(artifacts.program);
const proof = zokrates.generateProof(artifacts.program, witness, pk);
if (!zokrates.verify(vk, proof)) throw new Error("zokrates refuses its own proof");
writeFileSync(join(folder, "verification.key"), JSON.stringify(vk, null, 1));
writeFileSync(join(folder, "proof.json"), JSON.stringify(proof, null, 1));
writeFileSync(join(folder, "output.json"), output);
