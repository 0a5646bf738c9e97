'use strict';

// The helpers of the plugin's tests: a collector with scripted answers, and real processes in ZoneMTA's place.

const { fork } = require('node:child_process');
const fs = require('node:fs');
const http = require('node:http');
const os = require('node:os');
const path = require('node:path');

const DEADLINE_MS = 30000;

const cleanups = new WeakMap();

/**
 * Run `action` after the test. The last registered runs first, so that processes end before their folder is removed.
 */
function afterwards(t, action) {
    if (!cleanups.has(t)) {
        const actions = [];
        cleanups.set(t, actions);
        t.after(async () => {
            while (actions.length) {
                await actions.pop()();
            }
        });
    }
    cleanups.get(t).push(action);
}

function temporaryFolder(t) {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'duckwatch-plugin-'));
    afterwards(t, () => fs.rmSync(folder, { recursive: true, force: true }));
    return folder;
}

/**
 * Return the bytes of the files below `folder` whose names match. A file that the plugin removes after its name was
 * listed counts 0.
 */
function bytesIn(folder, pattern = /./) {
    const names = fs.readdirSync(folder, { recursive: true }).map(String);
    const chosen = names.filter(name => pattern.test(path.basename(name)));
    return chosen.reduce((sum, name) => {
        const found = fs.statSync(path.join(folder, name), { throwIfNoEntry: false });
        return sum + (found && found.isFile() ? found.size : 0);
    }, 0);
}

/** Wait until `condition()` is true. Fail with `what` at the deadline. */
async function until(what, condition) {
    const deadline = Date.now() + DEADLINE_MS;
    for (;;) {
        const found = condition();
        if (found) {
            return found;
        }
        if (Date.now() > deadline) {
            throw new Error(`never came: ${what}`);
        }
        await new Promise(resolve => setTimeout(resolve, 10));
    }
}

/** Return the port that `server` listens on. */
function portOf(server) {
    return server.address().port;
}

const accept = (request, response) => {
    response.writeHead(202, { 'content-type': 'application/json' });
    response.end('{"accepted":1,"rejected":[]}');
};
/** Return a handler that answers as a proxy on the way does. */
const somebodys =
    (status, headers = {}, body = '{}') =>
    (request, response) => {
        response.writeHead(status, { 'content-type': 'application/json', ...headers });
        response.end(body);
    };
/** Return a handler that answers as the collector does. */
const answer = (status, headers = {}, body = '{}') =>
    somebodys(status, { 'duckwatch-version': '0.1.0', ...headers }, body);

/**
 * A collector that answers the next requests by `script`, and every later one by `usual`. `taken` are the requests
 * answered with 202.
 */
class Collector {
    constructor(usual) {
        this.usual = usual;
        this.script = [];
        this.requests = [];
        this.connections = 0;
        this.server = http.createServer((request, response) => this.receive(request, response));
    }

    static async start(t, usual = accept) {
        const collector = new Collector(usual);
        collector.server.on('connection', () => (collector.connections += 1));
        await new Promise(resolve => collector.server.listen(0, '127.0.0.1', () => resolve(undefined)));
        afterwards(t, () => {
            collector.server.closeAllConnections();
            collector.server.close();
        });
        return collector;
    }

    receive(request, response) {
        const chunks = [];
        request.on('error', () => {});
        request.on('data', chunk => chunks.push(chunk));
        request.on('end', () => {
            const body = JSON.parse(Buffer.concat(chunks).toString());
            const seen = { at: Date.now(), headers: request.headers, url: request.url, body, response };
            this.requests.push(seen);
            // The script answers requests with events only, because a heartbeat may come at any time.
            const act = body.events.length && this.script.length ? this.script.shift() : this.usual;
            act(request, response, seen);
        });
    }

    get url() {
        return `http://127.0.0.1:${portOf(this.server)}/api/events/ingest`;
    }

    get withEvents() {
        return this.requests.filter(request => request.body.events.length);
    }

    get taken() {
        return this.requests.filter(request => request.response.statusCode === 202 && request.response.headersSent);
    }

    get events() {
        return this.taken.flatMap(request => request.body.events);
    }

    get ids() {
        return this.events.map(event => event.entry.id);
    }

    has(ids) {
        const found = new Set(this.ids);
        return ids.every(id => found.has(id));
    }
}

/** A process that loads the plugin as ZoneMTA does (mta.js). */
class Mta {
    constructor(child) {
        this.child = child;
        this.logs = [];
        this.errors = '';
        this.waiting = new Map();
        this.number = 0;
        /** @type {{code: number | null, signal: string | null} | null} */
        this.exit = null;
        this.ready = null;
        this.ended = new Promise(resolve =>
            child.on('exit', (code, signal) => resolve((this.exit = { code, signal })))
        );
    }

    static async start(t, settings, context = 'sender') {
        const config = JSON.stringify({ batchAge: 20, deadAfter: 600, token: 'secret-token', ...settings });
        const child = fork(path.join(__dirname, 'mta.js'), [config, context], {
            execPath: process.env.PLUGIN_NODE || process.execPath,
            execArgv: [],
            stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
            env: { ...process.env, http_proxy: 'http://127.0.0.1:9', HTTP_PROXY: 'http://127.0.0.1:9' }
        });
        const mta = new Mta(child);
        mta.child.stderr.on('data', chunk => (mta.errors += chunk));
        mta.child.stdout.on('data', chunk => (mta.errors += chunk));
        afterwards(t, () => mta.exit || mta.kill());
        await new Promise((resolve, reject) => {
            mta.child.on('error', reject);
            mta.child.on('message', message => mta.hear(message, resolve));
            mta.child.on('exit', () => reject(new Error(`ended: ${mta.errors}`)));
        });
        return mta;
    }

    hear(message, resolve) {
        if (message.log) {
            this.logs.push(message.log);
        } else if (message.ready) {
            this.ready = message;
            resolve();
        } else if (this.waiting.has(message.done)) {
            this.waiting.get(message.done)();
        }
    }

    tell(order, rest = {}) {
        const number = ++this.number;
        const done = new Promise(resolve => this.waiting.set(number, resolve));
        this.child.send({ order, number, ...rest });
        return done;
    }

    /** Call the hook of fetched deliveries with each of these. Resolve when every call has returned. */
    fetch(deliveries) {
        return this.tell('fetch', { deliveries });
    }

    /** Call the hook of log entries with an entry for each id. Resolve when every call has returned. */
    emit(ids, more = {}) {
        return this.tell('emit', { entries: ids.map(id => ({ id, seq: '001', action: 'ACCEPTED', ...more })) });
    }

    async kill(signal = 'SIGKILL') {
        this.child.kill(signal);
        return this.ended;
    }

    said(text) {
        return this.logs.filter(line => line.includes(text));
    }
}

const range = (prefix, count, from = 0) =>
    Array.from({ length: count }, (_, i) => `${prefix}${String(from + i).padStart(5, '0')}`);

module.exports = {
    Collector,
    Mta,
    accept,
    afterwards,
    answer,
    bytesIn,
    portOf,
    range,
    somebodys,
    temporaryFolder,
    until
};
