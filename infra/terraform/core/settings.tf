# The app's settings, by the names of ledger/settings.py: `make check-infra` compares them.

locals {
  # Each secret and its name in the vault. The app reads them through references; Terraform knows no value.
  secrets = {
    NOTIFY_API_KEY  = "notify-api-key"
    CLIENT_API_KEY  = "client-api-key"
    AUDITOR_API_KEY = "auditor-api-key"
    HMAC_SECRET     = "hmac-secret"
    RECIPIENT_KEY   = "recipient-key"
    SEALING_KEY     = "sealing-key"
    SESSION_SECRET  = "session-secret"
    METRICS_API_KEY = "metrics-api-key"
  }

  references = merge(
    { for setting, secret in local.secrets : setting => "@Microsoft.KeyVault(SecretUri=${module.key_vault.uri}/secrets/${secret})" },
    { for setting in var.rotating : "${setting}_PREVIOUS" => "@Microsoft.KeyVault(SecretUri=${module.key_vault.uri}/secrets/${local.secrets[setting]}-previous)" },
  )

  # No password: the app comes with a token of its identity, whose name is its login. libpq checks the server's
  # name and certificate against the authorities of the image.
  database_url = "postgresql://${local.names.app_identity}@${module.database.host}:5432/${module.database.database}?sslmode=verify-full&sslrootcert=/etc/ssl/certs/ca-certificates.crt"

  # What runs by itself in infra/functions; switched off in the staging slot, where it would run twice.
  background_functions = ["seal", "alarms", "register_batch_file"]

  app_settings = merge(local.references, {
    ENVIRONMENT          = var.environment
    DATABASE_URL         = local.database_url
    DATABASE_CONNECTIONS = tostring(var.connections_per_worker)
    LOG_LEVEL            = "info"
    LEDGER_NAME          = "${var.host}/status-ledger" # in every checkpoint, for ever
    SEAL_EVERY           = "0"                         # a timer seals, once for all instances
    MAX_STREAMS          = "0"                         # Functions send an answer when it is complete
    NOTIFY_BASE_URL      = var.notify_base_url
    ANCHORS              = module.storage.anchors_url
    BATCHES_CONTAINER    = module.storage.batches_container
  })
}
