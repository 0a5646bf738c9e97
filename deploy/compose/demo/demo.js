'use strict';

// The profile `demo` of docker-compose.yml: made-up mail through the real ZoneMTA, and mail servers that take it,
// defer it and refuse it. Each hour has an incident: from minute 5 to 45 one provider refuses the sending address.
// It runs in ZoneMTA's image, from /opt/zonemta, and uses the libraries that ZoneMTA brings.

const { createRequire } = require('module');

const zonemta = createRequire(`${process.cwd()}/`);
const { SMTPServer } = zonemta('smtp-server');
const { createTransport } = zonemta('nodemailer');

const SINK_PORT = 2526; // also in zonemta/plugins/catch.js
const MESSAGES_A_SECOND = Number(process.env.DEMO_MESSAGES_A_SECOND || 1);
const SENDERS = ['news@shop.example', 'orders@shop.example', 'hello@app.example', 'billing@app.example'];
const DOMAINS = ['gmail.example', 'outlook.example', 'yahoo.example', 'icloud.example', 'corp.example'];
const NAMES = ['ada', 'bob', 'cai', 'dee', 'eli', 'fay', 'gus', 'hal'];
const INCIDENT = { domain: 'outlook.example', from: 5, until: 45 };

const REFUSED = [
    550,
    '5.7.1 Unfortunately, messages from this address were not sent. Part of their network is on our block list (S3150)'
];
const UNKNOWN = [550, '5.1.1 The email account that you tried to reach does not exist'];
const FULL = [552, '5.2.2 The recipient mailbox is full'];
const GREYLISTED = [451, '4.7.1 Greylisting in action, please come back later'];
const LIMITED = [421, '4.7.28 Our system has detected an unusual rate of mail from your IP address'];

const seen = new Set(); // recipients that were greylisted once

function pick(list) {
    return list[Math.floor(Math.random() * list.length)];
}

function isIncident(domain, now = new Date()) {
    return domain === INCIDENT.domain && now.getMinutes() >= INCIDENT.from && now.getMinutes() < INCIDENT.until;
}

// Returns the refusal of a recipient, or undefined when the mail is taken.
function refusal(recipient, chance = Math.random()) {
    const domain = recipient.split('@')[1];
    if (isIncident(domain)) {
        return REFUSED;
    }
    if (recipient.startsWith('grey.') && !seen.has(recipient)) {
        if (seen.size > 10000) {
            seen.clear();
        }
        seen.add(recipient);
        return GREYLISTED;
    }
    if (recipient.startsWith('nobody.')) {
        return UNKNOWN;
    }
    if (chance < 0.005) {
        return FULL;
    }
    return domain === 'gmail.example' && chance < 0.03 ? LIMITED : undefined;
}

function serve() {
    const server = new SMTPServer({
        authOptional: true,
        disabledCommands: ['AUTH', 'STARTTLS'],
        logger: false,
        onRcptTo(address, session, callback) {
            const [responseCode, text] = refusal(address.address) || [];
            callback(responseCode ? Object.assign(new Error(text), { responseCode }) : null);
        },
        onData(stream, session, callback) {
            stream.resume();
            stream.on('end', () => callback(null, `2.0.0 Ok: queued as ${Date.now().toString(36)}`));
        }
    });
    server.on('error', error => console.log('demo: a connection failed:', error.message));
    server.listen(SINK_PORT, '0.0.0.0');
    return server;
}

function makeUpRecipient() {
    const kind = Math.random();
    const prefix = kind < 0.01 ? 'nobody.' : kind < 0.05 ? 'grey.' : '';
    return `${prefix}${pick(NAMES)}${Math.floor(Math.random() * 1000)}@${pick(DOMAINS)}`;
}

function main() {
    const server = serve();
    const mta = createTransport({ host: 'zonemta', port: 2525, pool: true, maxConnections: 2, ignoreTLS: true });
    const timer = setInterval(() => {
        mta.sendMail({
            from: pick(SENDERS),
            to: makeUpRecipient(),
            subject: 'Made up',
            text: 'Mail of the demo.'
        }).catch(error => console.log('demo: a message was not taken:', error.message));
    }, 1000 / MESSAGES_A_SECOND);
    console.log(`demo: ${MESSAGES_A_SECOND} messages a second`);
    for (const signal of ['SIGTERM', 'SIGINT']) {
        process.once(signal, () => {
            clearInterval(timer);
            mta.close();
            server.close(() => process.exit(0));
        });
    }
}

main();
