# INT. What core says too is compared with core's file by `make check-infra`.
environment     = "int"
unique          = "nhs1"
host            = "int.status-ledger.example.nhs.uk"
retention_days  = 30
max_connections = 859
staging_slot    = false

told = {
  operators = "<EMAIL ADDRESS OF THE OPERATORS>"
}

silence_alert = {
  enabled = false
  window  = "PT1H"
}
