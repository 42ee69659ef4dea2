# INT. Values in capitals between < and > are the operator's to fill in: docs/infrastructure.md.
environment     = "int"
unique          = "nhs1"
host            = "int.status-ledger.example.nhs.uk"
notify_base_url = "https://int.api.service.nhs.uk"
address_space   = "10.22.0.0/22"

zone_redundant         = false
staging_slot           = false
instances              = { least = 1, most = 3 }
connections_per_worker = 8
gateway_capacity       = { least = 1, most = 3 }

database = {
  sku_name              = "GP_Standard_D2ds_v5"
  storage_mb            = 131072
  max_connections       = 859
  backup_retention_days = 14
}

database_administrators = {
  name      = "status-ledger-int-database-administrators"
  object_id = "<OBJECT ID OF THAT ENTRA GROUP>"
}

anchor_days          = 7
anchor_policy_locked = false

pipelines = {
  issuer             = "<ISSUER OF THE SERVICE CONNECTIONS>"
  deployment_subject = "<SUBJECT OF status-ledger-int-deployment>"
  migration_subject  = "<SUBJECT OF status-ledger-int-migration>"
}
