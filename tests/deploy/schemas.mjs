// Holds objects of Kubernetes against the schemas and the types of the npm project in the folder of the first argument
// (tests/servers/kubernetes). Reads a JSON array from standard input, and prints a JSON array of faults.
// The schemas know types, required fields and closed sets; the types know which fields there are.
import { createRequire } from 'node:module';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const project = process.argv[2];
const modules = join(project, 'node_modules');
const ts = createRequire(join(project, 'package.json'))('typescript');
const objects = JSON.parse(readFileSync(0, 'utf8'));
const faults = [];

// The path of an object's model, without its ending.
function modelOf(object) {
    const isOperator = object.apiVersion.startsWith('monitoring.coreos.com/');
    const library = isOperator ? '@kubernetes-models/prometheus-operator' : 'kubernetes-models';
    return join(modules, library, object.apiVersion, object.kind);
}

const nameOf = object => `${object.kind} ${object.metadata?.name}`;

for (const object of objects) {
    const models = await import(pathToFileURL(`${modelOf(object)}.js`).href);
    try {
        new models[object.kind](object).validate();
    } catch (error) {
        faults.push(`${nameOf(object)}: ${error.message}`);
    }
}

const folder = mkdtempSync(join(tmpdir(), 'duckwatch-types-'));
try {
    const source = join(folder, 'objects.mts');
    const lines = objects.map((object, index) => {
        const imported = `import type { I${object.kind} as T${index} } from ${JSON.stringify(`${modelOf(object)}.js`)};`;
        return `${imported} export const o${index}: T${index} = ${JSON.stringify(object)};`;
    });
    writeFileSync(source, lines.join('\n'));
    const options = { strict: true, noEmit: true, skipLibCheck: true, types: [], module: 199, moduleResolution: 99 };
    const program = ts.createProgram([source], options);
    for (const one of ts.getPreEmitDiagnostics(program)) {
        const line = one.file ? one.file.getLineAndCharacterOfPosition(one.start).line : -1;
        const where = line >= 0 ? nameOf(objects[line]) : 'the types';
        faults.push(`${where}: ${ts.flattenDiagnosticMessageText(one.messageText, ' ')}`);
    }
} finally {
    rmSync(folder, { recursive: true });
}
process.stdout.write(JSON.stringify(faults));
