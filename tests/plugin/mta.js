'use strict';

// A process in ZoneMTA's place: it loads the plugin as ZoneMTA does, and calls its hooks on orders from its parent.
// Usage: node mta.js SETTINGS CONTEXT. Orders and answers are messages of the IPC channel.

const fs = require('fs');
const path = require('path');
const { format } = require('util');

const plugin = require(path.join(__dirname, '../../zonemta-plugin'));

const hooks = [];
const tell = message => process.connected && process.send && process.send(message);
const say =
    level =>
    (prefix, text, ...args) =>
        tell({ log: `${level} ${format(text, ...args)}` });
const app = {
    config: JSON.parse(process.argv[2]),
    manager: { context: process.argv[3] },
    logger: { info: say('info'), error: say('error') },
    addHook: (name, action) => hooks.push({ name, action })
};

function run(name, shown) {
    let nexts = 0;
    const [hook] = hooks.filter(one => one.name === name);
    hook.action(shown, () => (nexts += 1));
    if (nexts !== 1) {
        throw new Error(`next was called ${nexts} times`);
    }
}

const see = entry => run('log:entry', entry);
const fetch = delivery => run('sender:fetch', delivery);

// Call the hook without a pause, and write each entry's id into a file once the call has returned.
function storm(file) {
    const recorder = fs.openSync(file, 'a');
    let n = 0;
    setInterval(() => {
        for (let i = 0; i < 20; i += 1) {
            const id = `${process.pid}-${n++}`;
            see({ id, seq: '001', action: 'ACCEPTED', response: '250 ok '.repeat(1 + (n % 40)) });
            fs.writeSync(recorder, `${id}\n`);
        }
    }, 1);
}

const orders = {
    emit: ({ entries }) => entries.forEach(see),
    fetch: ({ deliveries }) => deliveries.forEach(fetch),
    storm: ({ file }) => storm(file),
    leave: () => process.disconnect(),
    exit: () => process.exit(0)
};

process.on('message', (/** @type {{order: string, number: number}} */ message) => {
    orders[message.order](message);
    tell({ done: message.number });
});
plugin.init(app, () => tell({ ready: true, title: plugin.title, hooks: hooks.map(hook => hook.name) }));
