// A session with what Node has of its own, over TLS: project, upload in parts, app, task, results.
import { strict as assert } from "node:assert";

const endpoint = process.env.SB_API_ENDPOINT;
const headers = { "X-SBG-Auth-Token": process.env.SB_AUTH_TOKEN, "Content-Type": "application/json" };

async function ask(method, path, body) {
  const url = path.startsWith("https:") ? path : endpoint + path;
  const answer = await fetch(url, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : null;
}

async function upload(project, name, content, size) {
  const begun = await ask("POST", "/upload/multipart", { project, name, size: content.length, part_size: size });
  for (let number = 1; (number - 1) * begun.part_size < content.length; number++) {
    const part = content.subarray((number - 1) * begun.part_size, number * begun.part_size);
    const place = await ask("GET", `/upload/multipart/${begun.upload_id}/part/${number}`);
    const sent = await fetch(place.url, { method: place.method ?? "PUT", body: part });
    assert.equal(sent.status, 200);
    const response = { headers: { ETag: sent.headers.get("etag") } };
    await ask("POST", `/upload/multipart/${begun.upload_id}/part`, { part_number: number, response });
  }
  return ask("POST", `/upload/multipart/${begun.upload_id}/complete`);
}

const me = await ask("GET", "/user");
const project = await ask("POST", "/projects", { name: "Knoten" });
assert.equal(project.id, `${me.username}/knoten`);
assert.ok(project.href.startsWith("https://"));

const content = Buffer.alloc(6 * 1024 * 1024 + 5, "line\n");
const file = await upload(project.id, "wörds.txt", content, 5 * 1024 * 1024);
assert.deepEqual([file.name, file.size], ["wörds.txt", content.length]);
const link = (await ask("GET", `/files/${file.id}/download_info`)).url;
assert.ok(Buffer.from(await (await fetch(link)).arrayBuffer()).equals(content));

await ask("POST", `/apps/${project.id}/count/raw`, {
  cwlVersion: "v1.2", class: "CommandLineTool", baseCommand: ["wc", "-l"], stdout: "count.txt",
  requirements: { ResourceRequirement: { coresMin: 1, ramMin: 100 } },
  inputs: { text: { type: "File", inputBinding: {} } }, outputs: { count: "stdout" },
});
const inputs = { text: { class: "File", path: file.id } };
let task = await ask("POST", "/tasks?action=run", { name: "n", project: project.id, app: `${project.id}/count`, inputs });
while (!["COMPLETED", "FAILED", "ABORTED"].includes(task.status)) {
  await new Promise((resolve) => setTimeout(resolve, 100));
  task = await ask("GET", task.href);
}
assert.equal(task.status, "COMPLETED", JSON.stringify(task.execution_status));
const result = (await ask("GET", `/files/${task.outputs.count.path}/download_info`)).url;
assert.match(await (await fetch(result)).text(), /^1258292 /);

for (let number = 0; number < 5; number++) {
  await ask("POST", "/files", { name: `f${number}`, project: project.id, type: "folder" });
}
const names = [];
for (let page = await ask("GET", `/files?project=${project.id}&limit=2`); ; ) {
  names.push(...page.items.map((item) => item.name));
  const next = page.links.find((one) => one.rel === "next");
  if (!next) break;
  page = await ask("GET", next.href);
}
assert.equal(new Set(names).size, 7);
await assert.rejects(ask("GET", "/projects/nobody/nothing"), /404/);
console.log("through");
