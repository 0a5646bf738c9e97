'use strict';

// The health check of a mail server: `node health.js PORT GREETING` ends with 0 if this machine's port greets so.

const net = require('net');

const TIMEOUT = 4000; // ms; the health check itself has five seconds

const [port, greeting] = process.argv.slice(2);
const socket = net.connect({ host: '127.0.0.1', port: Number(port), timeout: TIMEOUT });

function end(code) {
    socket.destroy();
    process.exit(code);
}

socket.setEncoding('latin1');
socket.on('data', text => end(text.startsWith(greeting) ? 0 : 1));
socket.on('timeout', () => end(1));
socket.on('error', () => end(1));
socket.on('end', () => end(1));
