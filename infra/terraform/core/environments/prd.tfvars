# PRD. Values in capitals between < and > are the operator's to fill in: docs/infrastructure.md.
environment     = "prd"
unique          = "nhs1"
host            = "status-ledger.example.nhs.uk"
notify_base_url = "https://api.service.nhs.uk"
address_space   = "10.24.0.0/22"

zone_redundant         = true
staging_slot           = true
instances              = { least = 3, most = 10 }
connections_per_worker = 10
gateway_capacity       = { least = 2, most = 10 }

database = {
  sku_name              = "GP_Standard_D8ds_v5"
  storage_mb            = 1048576
  max_connections       = 3437
  backup_retention_days = 35
}

database_administrators = {
  name      = "status-ledger-prd-database-administrators"
  object_id = "<OBJECT ID OF THAT ENTRA GROUP>"
}

anchor_days          = 3650
anchor_policy_locked = false

pipelines = {
  issuer             = "<ISSUER OF THE SERVICE CONNECTIONS>"
  deployment_subject = "<SUBJECT OF status-ledger-prd-deployment>"
  migration_subject  = "<SUBJECT OF status-ledger-prd-migration>"
}
