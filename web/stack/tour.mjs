// What `scripts/stack up` prints: where everything is, and commands to try, which go through nginx with TLS unless they say otherwise. The
// commands are the README's tour in short; a test runs them.

import { join } from "node:path";

/** The text. */
export function tour({ directory, variables, programs, root }) {
  const { HTTPS_PORT, HUB_PORT, DASHBOARD_PORT, RECEIPTS_PORT } = variables;
  const secrets = join(directory, "secrets");
  const url = `https://localhost:${HTTPS_PORT}`;
  const hub = `http://127.0.0.1:${HUB_PORT}`;
  return `
  The stack is up. scripts/stack down stops it; status, logs and restart tell and do more (--directory ${directory}).

  PayChain     ${url}/            its certificate is of ${secrets}/ca_certificate
  WebSocket    wss://localhost:${HTTPS_PORT}/ws
  Dashboard    ws://localhost:${DASHBOARD_PORT}/   receipts: ws://localhost:${RECEIPTS_PORT}/
  First hub    ${hub}/health   without nginx: publish, /stats, /metrics

  Two people, a job, the money:

${indented(commands({ url, hub, secrets, programs }))}
  The containers' keys and passwords: ${secrets}   data: ${join(directory, "volumes")}   logs: ${join(directory, "logs")}
  What stands behind it: ${join(root, "docker-compose.yml")}, docs/docker.md
`;
}

/** The commands alone. */
export function commands({ url, hub, secrets, programs }) {
  return `export PATH="${programs}:$PATH" CURL_CA_BUNDLE=${secrets}/ca_certificate
api=${url} json='Content-Type: application/json'
curl -s $api/auth/register -H "$json" -d '{"email":"erin@example.com","password":"erins password","name":"Erin","user_type":"employer"}'
curl -s $api/auth/register -H "$json" -d '{"email":"wanda@example.com","password":"wandas password","name":"Wanda","user_type":"worker"}'
token() { curl -s $api/auth/login -H "$json" -d "$1" | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/'; }
employer=$(token '{"email":"erin@example.com","password":"erins password"}')
worker=$(token '{"email":"wanda@example.com","password":"wandas password"}')
job=$(curl -s $api/jobs -H "Authorization: Bearer $employer" -H "$json" -d '{"title":"Walk two dogs","pay_amount_usd":25.5,"job_type":"other"}' | sed 's/.*"job_id":\\([0-9]*\\).*/\\1/')
curl -s -X POST $api/jobs/$job/accept -H "Authorization: Bearer $worker"
curl -s -X POST $api/jobs/$job/complete -H "Authorization: Bearer $employer"
curl -s $api/wallet -H "Authorization: Bearer $worker"
curl -s -N --max-time 3 "$api/events?channels=jobs&last_event_id=" -H "Authorization: Bearer $employer"
curl -s ${hub}/broadcast -H "Authorization: Bearer $(cat ${secrets}/publish_key)" -H "$json" -d '{"type":"headline","channel":"news","data":{"title":"Fresh bread at seven"}}'
`;
}

function indented(text) {
  return text.replace(/^(?=.)/gm, "  ");
}
