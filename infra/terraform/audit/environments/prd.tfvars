# PRD. What core says too is compared with core's file by `make check-infra`.
environment     = "prd"
unique          = "nhs1"
host            = "status-ledger.example.nhs.uk"
retention_days  = 365
max_connections = 3437
staging_slot    = true

told = {
  operators = "<EMAIL ADDRESS OF THE OPERATORS>"
}

silence_alert = {
  enabled = true
  window  = "PT1H"
}
