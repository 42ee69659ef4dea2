terraform {
  required_version = ">= 1.11"

  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "4.55.0" # the newest whose schema `make check-infra` can hold the code against
    }
  }
}
