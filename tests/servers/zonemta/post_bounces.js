'use strict';

// Makes ZoneMTA's own core/http-bounce send bounces. Arguments: PLUGIN URL. Standard input: one bounce a line, in the
// form in which the hook `queue:bounce` passes it. Ends when each bounce was answered or has failed.

const readline = require('readline');

const [plugin, url] = process.argv.slice(2);
let send;
let failures = 0;
const app = {
    config: { url },
    logger: { error: () => failures++ },
    addHook: (name, hook) => (send = hook)
};

// The part of nodemailer's headers that the plugin uses: the value of the first header of a name.
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
