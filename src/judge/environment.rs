//! What an exporter that is judged finds in its environment: where the platform is, and how to get
//! in.

use mock_api::server::MockServer;
use mock_api::service::TenantConfig;
use racegate_model::scenario::Scenario;

/// The region to sign S3 requests for; the mock's endpoint takes any.
const REGION: &str = "us-east-1";

/// The variables, by the names that Genesys' and Amazon's own tools read, and by ours.
pub(crate) fn variables(
    scenario: &Scenario,
    server: &MockServer,
    tenant: &TenantConfig,
) -> Vec<(&'static str, String)> {
    let (api, s3) = (server.api_url(), server.s3_url());
    let id = tenant.credentials.client_id.clone();
    let secret = tenant.credentials.client_secret.clone();
    let bucket = tenant.organization.clone();
    vec![
        ("RACEGATE_API_URL", api.clone()),
        ("RACEGATE_LOGIN_URL", api),
        ("RACEGATE_CLIENT_ID", id.clone()),
        ("RACEGATE_CLIENT_SECRET", secret.clone()),
        ("RACEGATE_S3_URL", s3.clone()),
        ("RACEGATE_BUCKET", bucket),
        ("RACEGATE_REGION", REGION.to_owned()),
        ("RACEGATE_SCENARIO", scenario.name.clone()),
        ("RACEGATE_SEED", scenario.seed.0.to_string()),
        // The names of Genesys' SDK examples and of its CLI and Terraform provider.
        ("GENESYS_CLOUD_CLIENT_ID", id.clone()),
        ("GENESYS_CLOUD_CLIENT_SECRET", secret.clone()),
        ("GENESYSCLOUD_OAUTHCLIENT_ID", id.clone()),
        ("GENESYSCLOUD_OAUTHCLIENT_SECRET", secret.clone()),
        ("AWS_ACCESS_KEY_ID", id),
        ("AWS_SECRET_ACCESS_KEY", secret),
        ("AWS_ENDPOINT_URL", s3.clone()),
        ("AWS_ENDPOINT_URL_S3", s3),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_DEFAULT_REGION", REGION.to_owned()),
        // A proxy of the user's would see loopback requests that are none of its business.
        ("NO_PROXY", "127.0.0.1,localhost".to_owned()),
        ("no_proxy", "127.0.0.1,localhost".to_owned()),
    ]
}
