//! What a person reads when the mock is up: where everything is, and lines that work when pasted.

use racegate_model::ids::ConversationId;

use super::Mock;

/// The text.
pub(super) fn text(mock: &Mock) -> String {
    let at = mock.addresses();
    let mut text = String::new();
    let mut line = |text_of: std::fmt::Arguments<'_>| {
        text.push_str(&format!("{text_of}\n"));
    };
    line(format_args!(
        "The mock Recording API serves `{}` (seed {}, clock {}). Ctrl-C stops it.\n",
        at.scenario, at.seed, at.clock
    ));
    line(format_args!("  API         {}", at.api));
    line(format_args!("  login       {}/oauth/token", at.login));
    line(format_args!(
        "  S3          {}  (region {})",
        at.s3, at.s3_region
    ));
    line(format_args!("  signalling  {}", at.signalling));
    if let Some(media) = &at.media {
        line(format_args!("  media       udp://{media}"));
    }
    line(format_args!("  admin       {}", at.admin));
    line(format_args!("  openapi     {}", at.openapi));
    line(format_args!("  health      {}\n", at.health));
    line(format_args!(
        "Clients, each an organization of its own; id and secret are the S3 keys too:\n"
    ));
    for client in &at.clients {
        line(format_args!(
            "  {}  {}  bucket {}",
            client.client_id, client.client_secret, client.bucket
        ));
    }
    let Some(client) = at.clients.first() else {
        return text;
    };
    let (id, secret, api) = (&client.client_id, &client.client_secret, &at.api);
    let seed = mock.server().service().seed();
    let path = match mock.last_call() {
        Some(call) => {
            let conversation = ConversationId::of(seed, call.index);
            format!("/api/v2/conversations/{conversation}/recordingmetadata")
        }
        None => "/api/v2/recording/jobs".to_owned(),
    };
    line(format_args!(
        "\nThe metadata of a call that has just ended, with curl:\n\n\
         TOKEN=$(curl -s -u '{id}:{secret}' -d grant_type=client_credentials {api}/oauth/token | \
         sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/')\n\
         curl -s -H \"Authorization: Bearer $TOKEN\" {api}{path}\n"
    ));
    line(format_args!(
        "The same in Python:\n\n\
         python3 - <<'END'\n\
         import base64, json, urllib.request\n\
         api = \"{api}\"\n\
         basic = base64.b64encode(b\"{id}:{secret}\").decode()\n\
         login = urllib.request.Request(api + \"/oauth/token\", b\"grant_type=client_credentials\",\n    \
         {{\"Authorization\": \"Basic \" + basic}})\n\
         token = json.load(urllib.request.urlopen(login))[\"access_token\"]\n\
         request = urllib.request.Request(api + \"{path}\",\n    \
         headers={{\"Authorization\": \"Bearer \" + token}})\n\
         print(json.dumps(json.load(urllib.request.urlopen(request)), indent=2))\n\
         END"
    ));
    text
}
