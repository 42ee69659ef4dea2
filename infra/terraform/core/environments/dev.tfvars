# DEV. Values in capitals between < and > are the operator's to fill in: docs/infrastructure.md.
environment     = "dev"
unique          = "nhs1"
host            = "dev.status-ledger.example.nhs.uk"
notify_base_url = "https://int.api.service.nhs.uk"
address_space   = "10.21.0.0/22"

zone_redundant         = false
staging_slot           = false
instances              = { least = 1, most = 2 }
connections_per_worker = 8
gateway_capacity       = { least = 1, most = 2 }

database = {
  sku_name              = "B_Standard_B2ms"
  storage_mb            = 65536
  max_connections       = 429
  backup_retention_days = 7
}

database_administrators = {
  name      = "status-ledger-dev-database-administrators"
  object_id = "<OBJECT ID OF THAT ENTRA GROUP>"
}

anchor_days          = 1
anchor_policy_locked = false

pipelines = {
  issuer             = "<ISSUER OF THE SERVICE CONNECTIONS>"
  deployment_subject = "<SUBJECT OF status-ledger-dev-deployment>"
  migration_subject  = "<SUBJECT OF status-ledger-dev-migration>"
}
