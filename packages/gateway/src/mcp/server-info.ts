/** How the gateway names itself to clients. Held equal to package.json by a test. */
export const SERVER_INFO = { name: 'cmcp', version: '0.1.0' };
