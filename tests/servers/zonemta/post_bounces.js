'use strict';

// Has ZoneMTA's own core/http-bounce send bounces: PLUGIN URL, and a bounce a line on standard input, as the hook
// `queue:bounce` hands them over. Ends once each has been answered or given up.

const readline = require('readline');

const [plugin, url] = process.argv.slice(2);
let send;
let failures = 0;
const app = {
    config: { url },
    logger: { error: () => failures++ },
    addHook: (name, hook) => (send = hook)
};

// nodemailer's headers, as far as the plugin asks them: the first of a name, its value.
const headers = lines => ({
    getFirst: name => {
        const line = lines.find(one => one.toLowerCase().startsWith(name.toLowerCase() + ':'));
        return line ? line.slice(name.length + 1).trim() : '';
    }
});

require(plugin).init(app, async () => {
    for await (const line of readline.createInterface({ input: process.stdin })) {
        const bounce = JSON.parse(line);
        await new Promise(resolve => send({ ...bounce, headers: headers(bounce.headers) }, {}, resolve));
    }
    process.exit(failures ? 1 : 0);
});
