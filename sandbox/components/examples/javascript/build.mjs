// app.js → spread.wasm. Everything that a TRE does not offer (random numbers, clocks, files, network) is left out of the engine.

import { writeFile } from 'node:fs/promises';
import { componentize } from '@bytecodealliance/componentize-js';

const { component } = await componentize({
  sourcePath: 'app.js',
  witPath: 'wit',
  worldName: 'analysis',
  disableFeatures: ['random', 'stdio', 'clocks', 'http', 'fetch-event'],
});
await writeFile('spread.wasm', component);
