// The health check of MongoDB, run by mongosh. It also makes the server a replica set of one member, once.

db.getSiblingDB('admin').auth('root', require('fs').readFileSync('/run/secrets/root_password', 'utf8').trim());

try {
    rs.status();
} catch (error) {
    // While the image makes the users, the server runs without a replica set: NoReplicationEnabled.
    if (error.codeName === 'NotYetInitialized') {
        rs.initiate({ _id: 'rs0', members: [{ _id: 0, host: 'mongo:27017' }] });
    }
}

const { setName, isWritablePrimary } = db.hello();
quit(setName === 'rs0' && isWritablePrimary ? 0 : 1);
