// `node client.js URL`: the steps with @mattermost/client.
// Does what each line of standard input says; tells on standard output what came of it.
import { createInterface } from 'node:readline';

import client from '@mattermost/client';

const { Client4, WebSocketClient } = client;
const EVENT_MILLISECONDS = 10_000;

console.log = console.error; // standard output has the answers

const api = new Client4();
api.setUrl(process.argv[2]);

let me;
let socket;
let listener;

const bytes = (text) => Buffer.from(text, 'base64');
const image = (text) => new File([bytes(text)], 'image.png', { type: 'image/png' });

async function fetched(url) {
    const response = await fetch(url, api.getOptions({ method: 'get' }));
    if (!response.ok) {
        throw new Error(`${response.status} ${await response.text()}`);
    }
    return Buffer.from(await response.arrayBuffer()).toString('base64');
}

// The events that have come, and whoever waits for the next one.
class Listener {
    #events = [];
    #waiting = null;

    note(event) {
        this.#events.push(event);
        this.#waiting?.();
    }

    async next(name) {
        const deadline = AbortSignal.timeout(EVENT_MILLISECONDS);
        for (;;) {
            while (this.#events.length) {
                const told = this.#events.shift();
                if (told.event === name) {
                    return told;
                }
            }
            await new Promise((resolve, reject) => {
                this.#waiting = resolve;
                deadline.onabort = () => reject(new Error(`no event ${name} in time`));
            });
        }
    }
}

const steps = {
    async login({ username, password }) {
        me = await api.login(username, password);
        return me;
    },
    logout: () => api.logout().then(() => null),
    create_team: ({ name }) => api.createTeam({ name, display_name: 'By client', type: 'O' }),
    team: ({ name }) => api.getTeamByName(name),
    create_channel: ({ team_id, name }) =>
        api.createChannel({ team_id, name, display_name: 'By client', type: 'P' }),
    channel: ({ team_name, name }) => api.getChannelByNameAndTeamName(team_name, name),
    upload({ channel_id, name, content }) {
        const form = new FormData();
        form.append('channel_id', channel_id);
        form.append('client_ids', crypto.randomUUID());
        form.append('files', new Blob([bytes(content)]), name);
        return api.uploadFile(form);
    },
    file_info: ({ file_id }) => api.doFetch(`${api.getFileRoute(file_id)}/info`, { method: 'get' }),
    download: ({ file_id }) => fetched(api.getFileUrl(file_id)),
    create_post: (post) => api.createPost(post),
    post: ({ post_id }) => api.getPost(post_id),
    files_of_post: ({ post_id }) => api.getFileInfosForPost(post_id),
    create_emoji: ({ name, image: content }) =>
        api.createCustomEmoji({ name, creator_id: me.id }, image(content)),
    emoji_image: ({ emoji_id }) => fetched(api.getCustomEmojiImageUrl(emoji_id)),
    delete_emoji: ({ emoji_id }) => api.deleteCustomEmoji(emoji_id),
    set_profile_image: ({ user_id, image: content }) =>
        api.uploadProfileImage(user_id, image(content)),
    profile_image: ({ user_id }) => fetched(api.getProfilePictureUrl(user_id)),
    set_brand_image: ({ image: content }) => api.uploadBrandImage(image(content)),
    brand_image: () => fetched(api.getBrandImageUrl(Date.now())),
    async listen() {
        listener = new Listener();
        socket = new WebSocketClient();
        socket.addMessageListener((event) => listener.note(event));
        socket.initialize(api.getWebSocketUrl().replace(/^http/, 'ws'), api.getToken());
        await listener.next('hello');
        return null;
    },
    next_event: ({ event }) => listener.next(event),
    stop_listening() {
        socket.close();
        return null;
    },
};

async function answer({ step, details }) {
    try {
        return { result: await steps[step](details) };
    } catch (error) {
        return { error: `${error.name}: ${error.message}` };
    }
}

for await (const line of createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await answer(JSON.parse(line)))}\n`);
}
process.exit(); // whatever still waits for a socket
