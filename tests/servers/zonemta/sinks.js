'use strict';

// SMTP, LMTP and HTTP sinks, and simulated rspamd and clamd, all on 127.0.0.1.
// The begin of a recipient's name decides the answer. Each final answer is logged as one JSON line:
// {"verdict": "accepted" | "refused", "port", "from", "to": [...], "id", "seq", "code", "text"}
// `id` and `seq` are ZoneMTA's, from the Received header. A recipient refused before the message came has none.
//
// node sinks.js SETTINGS   where SETTINGS is JSON: {project, key, cert, log, ports: {tls, plain, silent, closing, lmtp,
// http, rspamd, clamd}}

const crypto = require('crypto');
const fs = require('fs');
const http = require('http');
const net = require('net');
const { createRequire } = require('module');

const settings = JSON.parse(process.argv[2]);
const { SMTPServer } = createRequire(`${settings.project}/package.json`)('smtp-server');
const log = fs.openSync(settings.log, 'a');

const ENHANCED = '5.1.1 The email account that you tried to reach does not exist.';
// The answers to RCPT TO. `gmail` is Gmail's three lines.
const AT_RECIPIENT = [
    [/^slow/, 451, '4.3.2 Please try again later'],
    [/^unknown/, 550, `${ENHANCED} User unknown`],
    [
        /^multi/,
        550,
        [
            ENHANCED,
            'Please try double-checking the recipient address for typos.',
            '5.1.1  https://support.gmail.example/mail/?p=NoSuchUser d2si123.45 - gsmtp'
        ]
            .join('\r\n550-')
            .replace(/550-(5\.1\.1 {2}http)/, '$1')
    ],
    [
        /^spamhaus/,
        554,
        '5.7.1 Service unavailable; Client host [127.0.0.2] blocked using zen.spamhaus.org; listed at spamhaus https://www.spamhaus.org/query/ip/127.0.0.2'
    ],
    [/^full/, 552, '5.2.2 The email account that you tried to reach is over quota; mailbox full'],
    [/^busy/, 421, '4.7.0 Too many concurrent SMTP connections from your IP, try again later'],
    [/^relay/, 550, '5.7.1 Relaying denied'],
    [
        /^rate/,
        450,
        '4.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages from being delivered'
    ]
];
// The answers to the message.
const AT_MESSAGE = [
    [/^dspam/, 554, '5.7.1 [CS] Message blocked due to spam content. Please visit https://support.example/spam'],
    [/^dtemp/, 451, '4.3.0 Local problem, queue file write error']
];
const OVER_QUOTA = [552, '5.2.2 over quota'];

const greylist = new Map(); // `sender|recipient` -> times seen

function write(verdict, port, from, to, names, code, text) {
    fs.writeSync(log, JSON.stringify({ verdict, port, from, to, ...names, code, text }) + '\n');
}

function refusal(code, text) {
    return Object.assign(new Error(text), { responseCode: code });
}

function atRecipient(sender, recipient) {
    if (/^grey/.test(recipient)) {
        const pair = `${sender}|${recipient}`;
        const times = (greylist.get(pair) || 0) + 1;
        greylist.set(pair, times);
        return times <= (/^grey3/.test(recipient) ? 3 : 1)
            ? [451, '4.7.1 Greylisting in action, please come back later']
            : null;
    }
    const rule = AT_RECIPIENT.find(([name]) => name.test(recipient));
    return rule ? rule.slice(1) : null;
}

// ZoneMTA's id of the delivery: "with ESMTP id 1a20bd7ba7a000cd07.001".
function named(message) {
    const found = /\bid ([0-9a-f]{18})\.([0-9a-f]{3})\b/.exec(message);
    return found ? { id: found[1], seq: found[2] } : {};
}

function smtp(port, options) {
    const server = new SMTPServer({
        authOptional: true,
        banner: 'sink',
        size: 50e6,
        logger: false,
        disabledCommands: options.key ? ['AUTH'] : ['AUTH', 'STARTTLS'],
        ...options,
        onRcptTo(address, session, next) {
            const sender = (session.envelope.mailFrom || {}).address || '';
            const answer = atRecipient(sender, address.address);
            const told = () => {
                if (answer && !options.lmtp) {
                    write('refused', port, sender, [address.address], {}, ...answer);
                    return next(refusal(...answer));
                }
                next();
            };
            setTimeout(told, 5 + Math.random() * 30);
        },
        onData(stream, session, next) {
            let message = '';
            stream.setEncoding('latin1');
            stream.on('data', chunk => (message += chunk));
            stream.on('end', () => setTimeout(() => answerMessage(message, session, next), Math.random() * 40));
        }
    });

    function answerMessage(message, session, next) {
        const sender = session.envelope.mailFrom.address || '';
        const recipients = session.envelope.rcptTo.map(recipient => recipient.address);
        const accepted = `2.0.0 Ok: queued as ${crypto.randomBytes(5).toString('hex').toUpperCase()}`;
        if (options.lmtp) {
            return next(
                null,
                recipients.map(recipient => {
                    const full = /^full/.test(recipient);
                    write(
                        full ? 'refused' : 'accepted',
                        port,
                        sender,
                        [recipient],
                        named(message),
                        ...(full ? OVER_QUOTA : [250, accepted])
                    );
                    return full ? refusal(...OVER_QUOTA) : accepted;
                })
            );
        }
        const rule = AT_MESSAGE.find(([name]) => recipients.some(recipient => name.test(recipient)));
        if (rule) {
            write('refused', port, sender, recipients, named(message), rule[1], rule[2]);
            return next(refusal(rule[1], rule[2]));
        }
        write('accepted', port, sender, recipients, named(message), 250, accepted);
        next(null, accepted);
    }

    server.on('error', () => false); // clients that disconnect are normal here
    server.listen(port, '127.0.0.1');
}

function quiet(socket) {
    socket.on('error', () => false);
    return socket;
}

// One server accepts and never greets, the other accepts and closes at once.
function silent(port) {
    net.createServer(quiet).listen(port, '127.0.0.1');
}

function closing(port) {
    net.createServer(socket => quiet(socket).end()).listen(port, '127.0.0.1');
}

function upload(port) {
    http.createServer((request, response) => {
        request.setEncoding('latin1');
        let body = '';
        request.on('data', chunk => (body += chunk));
        request.on('end', () => {
            const fails = /fail/.test(request.url);
            write(fails ? 'refused' : 'accepted', port, '', [], named(body), fails ? 404 : 200, '');
            response.statusCode = fails ? 404 : 200;
            response.end('thanks');
        });
    }).listen(port, '127.0.0.1');
}

// rspamd's old /check reply.
function rspamd(port) {
    http.createServer((request, response) => {
        let message = '';
        request.on('data', chunk => (message += chunk));
        request.on('end', () => {
            const spam = /VIAGRA/.test(message);
            const middling = /OFFER/.test(message);
            const result = {
                is_spam: spam,
                is_skipped: false,
                score: spam ? 21.5 : middling ? 6.7 : 0.4,
                required_score: 15,
                action: spam ? 'reject' : middling ? 'add header' : 'no action',
                BAYES_SPAM: { name: 'BAYES_SPAM', score: spam ? 5.1 : 0 },
                MIME_GOOD: { name: 'MIME_GOOD', score: -0.1 }
            };
            response.setHeader('content-type', 'application/json');
            response.end(JSON.stringify({ default: result, 'message-id': 'x' }));
        });
    }).listen(port, '127.0.0.1');
}

// clamd's INSTREAM: four zero bytes end the message.
function clamd(port) {
    net.createServer(socket => {
        let message = Buffer.alloc(0);
        quiet(socket).on('data', chunk => {
            message = Buffer.concat([message, chunk]);
            if (message.length > 4 && message.subarray(-4).equals(Buffer.alloc(4))) {
                socket.end(
                    /EICAR/.test(message.toString('latin1')) ? 'stream: Eicar-Test-Signature FOUND\0' : 'stream: OK\0'
                );
            }
        });
    }).listen(port, '127.0.0.1');
}

const ports = settings.ports;
smtp(ports.tls, { key: fs.readFileSync(settings.key), cert: fs.readFileSync(settings.cert) });
smtp(ports.plain, {});
smtp(ports.lmtp, { lmtp: true });
silent(ports.silent);
closing(ports.closing);
upload(ports.http);
rspamd(ports.rspamd);
clamd(ports.clamd);
