// Serves one empty database in memory, on the port of 127.0.0.1 that the command line names. A second connection waits
// for the end of the first.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [, , project, port] = process.argv;
const require = createRequire(pathToFileURL(`${project}/package.json`));
const load = name => import(pathToFileURL(require.resolve(name)).href);
const { PGlite } = (await load('@electric-sql/pglite')).default;
const { timescaledb } = (await load('@electric-sql/pglite/timescaledb')).default;
const { PGLiteSocketServer } = (await load('@electric-sql/pglite-socket')).default;

const db = await PGlite.create({ extensions: { timescaledb } });
await new PGLiteSocketServer({ db, port: Number(port), host: '127.0.0.1' }).start();
