'use strict';

// Routes each recipient's domain to a sink (sinks.js). Drops or refuses messages with two subjects at submission.

module.exports.title = 'Route to sinks';

const GREETING_TIMEOUT = 3000; // ms; ZoneMTA waits two minutes for a greeting and has no setting for it

module.exports.init = (app, done) => {
    const context = app.manager.context;
    if (context === 'sender') {
        shortenGreetingTimeout();
    }

    app.addHook('smtp:auth', (auth, session, next) => next());

    app.addHook('message:queue', (envelope, messageInfo, next) => {
        if (/DROPME/.test(messageInfo.subject)) {
            return next(app.drop(envelope, 'policy', messageInfo, '250 OK silently dropped'));
        }
        if (/REJECTME/.test(messageInfo.subject)) {
            return next(
                app.reject(envelope, 'ratelimit', messageInfo, '550 5.7.1 You reached your daily sending limit')
            );
        }
        next();
    });

    app.addHook('sender:fetch', (delivery, next) => {
        const routes = app.config.routes;
        const route = routes[delivery.domain] || routes['*'];
        delivery.skipSTS = true;
        if (route.nowhere) {
            return next(); // DNS decides
        }
        if (route.http) {
            delivery.http = true;
            delivery.targetUrl = `http://127.0.0.1:${route.port}/upload${/^fail/.test(delivery.recipient) ? '/fail' : ''}`;
            return next();
        }
        const exchange = route.exchange || `mx.${delivery.domain}`;
        delivery.mx = [{ priority: 10, mx: true, exchange, A: ['127.0.0.1'], AAAA: [] }];
        delivery.mxPort = route.port;
        delivery.useLMTP = Boolean(route.lmtp);
        next();
    });

    done();
};

function shortenGreetingTimeout() {
    const SMTPConnection = require.main.require('nodemailer/lib/smtp-connection');
    const connect = SMTPConnection.prototype.connect;
    SMTPConnection.prototype.connect = function (...words) {
        this.options.greetingTimeout = GREETING_TIMEOUT;
        return connect.apply(this, words);
    };
}
