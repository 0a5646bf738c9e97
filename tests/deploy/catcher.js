'use strict';

// The e-mail catcher of tests/deploy/stack.py, in Mailpit's place: takes every message at port 1025 and appends a line
// of JSON for each to a file: `node catcher.js PROJECT FILE`, with the npm project that has the library smtp-server.

const fs = require('fs');
const { createRequire } = require('module');

const [project, file] = process.argv.slice(2);
const { SMTPServer } = createRequire(`${project}/`)('smtp-server');

new SMTPServer({
    authOptional: true,
    disabledCommands: ['AUTH', 'STARTTLS'],
    logger: false,
    onData(stream, session, callback) {
        const chunks = [];
        stream.on('data', chunk => chunks.push(chunk));
        stream.on('end', () => {
            const to = session.envelope.rcptTo.map(one => one.address);
            fs.appendFileSync(file, `${JSON.stringify({ to, text: Buffer.concat(chunks).toString('latin1') })}\n`);
            callback(null, '2.0.0 Ok: caught');
        });
    }
}).listen(1025, '127.0.0.1');
