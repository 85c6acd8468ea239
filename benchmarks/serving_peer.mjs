// Times another simulator on the same load: node serving_peer.mjs FOLDER CONFIG.json
// FOLDER holds node_modules with @doublewordai/inference-lab; prints CPU seconds, requests answered, mean TTFT.
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, config] = process.argv.slice(2);
const home = resolve(join(folder, "node_modules/@doublewordai/inference-lab"));
const lab = await import(pathToFileURL(join(home, "inference_lab.js")));
lab.initSync({ module: readFileSync(join(home, "inference_lab_bg.wasm")) });
const text = readFileSync(config, "utf8");
const before = process.cpuUsage();
const found = lab.run_simulation(text);
const used = process.cpuUsage(before);
const { completed_requests, ttft_mean } = found.metrics;
console.log(JSON.stringify({ cpu_s: (used.user + used.system) / 1e6, completed_requests, ttft_mean }));
