# DEV. What core says too is compared with core's file by `make check-infra`.
environment     = "dev"
unique          = "nhs1"
host            = "dev.status-ledger.example.nhs.uk"
retention_days  = 30
max_connections = 429
staging_slot    = false

told = {
  operators = "<EMAIL ADDRESS OF THE OPERATORS>"
}

silence_alert = {
  enabled = false
  window  = "PT1H"
}
