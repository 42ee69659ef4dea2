# The one way in from outside: TLS ends here, and what goes on to the app is byte for byte what came. The firewall
# looks at the address and the headers, never at a body: it must not refuse a callback that the ledger would keep.

variable "place" {
  description = "Where it is made, and the tags that it bears."
  type = object({
    resource_group_name = string
    location            = string
    tags                = map(string)
  })
}

variable "name" {
  description = "The name of the gateway."
  type        = string
}

variable "host" {
  description = "The name under which suppliers and clients know the service."
  type        = string
}

variable "backend_host" {
  description = "The app's host name."
  type        = string
}

variable "certificate_secret_id" {
  description = "The certificate of `host`, as a secret of the vault, without a version: a new one is taken by itself."
  type        = string
}

variable "identity_id" {
  description = "The managed identity that reads the certificate."
  type        = string
}

variable "subnet_id" {
  description = "The gateway's own subnet."
  type        = string
}

variable "capacity" {
  description = "Instances at least and at most."
  type = object({
    least = number
    most  = number
  })
}

locals {
  zones = ["1", "2", "3"]

  # Query arguments that may hold an NHS number, and the keys of callers.
  scrubbed = {
    arguments = { variable = "RequestArgNames", name = "nhsNumber" }
    api_key   = { variable = "RequestHeaderNames", name = "x-api-key" }
    signature = { variable = "RequestHeaderNames", name = "x-hmac-sha256-signature" }
  }
}

resource "azurerm_public_ip" "this" {
  name                = "pip-${var.name}"
  resource_group_name = var.place.resource_group_name
  location            = var.place.location
  allocation_method   = "Static"
  sku                 = "Standard"
  zones               = local.zones
  tags                = var.place.tags
}

resource "azurerm_web_application_firewall_policy" "this" {
  name                = "waf-${var.name}"
  resource_group_name = var.place.resource_group_name
  location            = var.place.location
  tags                = var.place.tags

  policy_settings {
    enabled = true
    mode    = "Prevention"
    # Neither looked into nor limited here: the app has limits of its own, and keeps what it refuses.
    request_body_check       = false
    request_body_enforcement = false
    file_upload_enforcement  = false

    log_scrubbing {
      enabled = true

      dynamic "rule" {
        for_each = local.scrubbed
        content {
          enabled                 = true
          match_variable          = rule.value.variable
          selector_match_operator = "Equals"
          selector                = rule.value.name
        }
      }
    }
  }

  custom_rules {
    name      = "OnlyTheApi"
    priority  = 10
    rule_type = "MatchRule"
    action    = "Block"

    match_conditions {
      operator           = "BeginsWith"
      negation_condition = true
      match_values       = ["/api/"]

      match_variables {
        variable_name = "RequestUri"
      }
    }
  }

  managed_rules {
    managed_rule_set {
      type    = "Microsoft_DefaultRuleSet"
      version = "2.1"
    }

    managed_rule_set {
      type    = "Microsoft_BotManagerRuleSet"
      version = "1.1"

      rule_group_override {
        rule_group_name = "UnknownBots"

        rule {
          id      = "300500" # "other bots": suppliers and clients are programs
          enabled = false
          action  = "Log"
        }
      }
    }

    dynamic "exclusion" {
      # Random text: a key must never look like an attack.
      for_each = ["x-api-key", "x-hmac-sha256-signature"]
      content {
        match_variable          = "RequestHeaderValues"
        selector_match_operator = "Equals"
        selector                = exclusion.value
      }
    }
  }
}

resource "azurerm_application_gateway" "this" {
  name                = var.name
  resource_group_name = var.place.resource_group_name
  location            = var.place.location
  zones               = local.zones
  firewall_policy_id  = azurerm_web_application_firewall_policy.this.id
  enable_http2        = true
  tags                = var.place.tags

  sku {
    name = "WAF_v2"
    tier = "WAF_v2"
  }

  autoscale_configuration {
    min_capacity = var.capacity.least
    max_capacity = var.capacity.most
  }

  identity {
    type         = "UserAssigned"
    identity_ids = [var.identity_id]
  }

  ssl_policy {
    policy_type = "Predefined"
    policy_name = "AppGwSslPolicy20220101S" # TLS 1.2 and 1.3, no CBC suites
  }

  gateway_ip_configuration {
    name      = "gateway"
    subnet_id = var.subnet_id
  }

  frontend_ip_configuration {
    name                 = "public"
    public_ip_address_id = azurerm_public_ip.this.id
  }

  frontend_port {
    name = "https"
    port = 443
  }

  ssl_certificate {
    name                = "service"
    key_vault_secret_id = var.certificate_secret_id
  }

  http_listener {
    name                           = "service"
    frontend_ip_configuration_name = "public"
    frontend_port_name             = "https"
    protocol                       = "Https"
    host_name                      = var.host
    require_sni                    = true
    ssl_certificate_name           = "service"
  }

  backend_address_pool {
    name  = "app"
    fqdns = [var.backend_host]
  }

  backend_http_settings {
    name                                = "app"
    port                                = 443
    protocol                            = "Https"
    cookie_based_affinity               = "Disabled"
    pick_host_name_from_backend_address = true
    probe_name                          = "health"
    request_timeout                     = 120 # 45,000 messages take seconds; Functions gives up at 230

    connection_draining {
      enabled           = true
      drain_timeout_sec = 60
    }
  }

  probe {
    name                                      = "health"
    protocol                                  = "Https"
    path                                      = "/api/healthcheck"
    pick_host_name_from_backend_http_settings = true
    interval                                  = 15
    timeout                                   = 10
    unhealthy_threshold                       = 3
  }

  request_routing_rule {
    name                       = "service"
    priority                   = 10
    rule_type                  = "Basic"
    http_listener_name         = "service"
    backend_address_pool_name  = "app"
    backend_http_settings_name = "app"
  }
}

output "id" {
  description = "The id of the gateway."
  value       = azurerm_application_gateway.this.id
}

output "public_address" {
  description = "The address that the DNS of the service's host must name."
  value       = azurerm_public_ip.this.ip_address
}
