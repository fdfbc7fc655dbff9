! The flat face of the kernel that f2py compiles: explicit shapes and double precision.
! No equation stands here; ctsm_socnn.model and ctsm_socnn.assimilation are the only callers.
!
! Large results are `inout`: f2py would fill with zeros, on one thread, what it allocates itself.

!> The vertical grid: node depths, thicknesses and interface depths (m).
subroutine grid(node, thickness, interface_bottom)
   use soil_grid, only: node_depth, layer_thickness, interface_depth, n_layers
   implicit none
   double precision, intent(out) :: node(20), thickness(20), interface_bottom(21)

   node = node_depth(1:n_layers)
   thickness = layer_thickness
   interface_bottom = interface_depth(0:n_layers)
end subroutine grid

!> Column records of the `proda` scheme from monthly forcing (proda_forcing).
subroutine proda_prepare(n, temperature, water, oxygen, nitrogen, thaw, thaw_last_year, bedrock, carbon_input, &
                         climate, exchange, annual_input)
   use proda_forcing, only: prepare_columns
   implicit none
   integer, intent(in) :: n
   double precision, intent(in) :: temperature(20, 12, n), water(20, 12, n), oxygen(20, 12, n), nitrogen(20, 12, n)
   double precision, intent(in) :: thaw(12, n), thaw_last_year(12, n)
   integer, intent(in) :: bedrock(12, n)
   double precision, intent(in) :: carbon_input(12, 4, n)
   double precision, intent(out) :: climate(20, 12, 4, n), exchange(20, 6, n), annual_input(5, n)
   !f2py threadsafe

   call prepare_columns(temperature, water, oxygen, nitrogen, thaw, thaw_last_year, bedrock, carbon_input, climate, &
                        exchange, annual_input)
end subroutine proda_prepare

!> The first row whose parameters are impossible, or 0 (proda_domain).
subroutine proda_first_impossible(n_rows, parameters, lowest, highest, most_passed_on, threads, row)
   use proda_domain, only: first_impossible_row
   implicit none
   integer, intent(in) :: n_rows, threads
   double precision, intent(in) :: parameters(21, n_rows), lowest(21), highest(21), most_passed_on
   integer, intent(out) :: row
   !f2py threadsafe

   row = first_impossible_row(n_rows, parameters, lowest, highest, most_passed_on, threads)
end subroutine proda_first_impossible

!> Pools and soil carbon of the `proda` scheme at steady state (proda_batch).
subroutine proda_pools(n_columns, climate, exchange, carbon_input, n_rows, parameters, column, threads, pools, soc)
   use proda_batch, only: batch_pools
   implicit none
   integer, intent(in) :: n_columns, n_rows, threads
   double precision, intent(in) :: climate(20, 12, 4, n_columns), exchange(20, 6, n_columns), carbon_input(5, n_columns)
   double precision, intent(in) :: parameters(21, n_rows)
   integer, intent(in) :: column(n_rows)
   double precision, intent(inout) :: pools(20, 7, n_rows), soc(20, n_rows)
   !f2py threadsafe

   call batch_pools(n_columns, climate, exchange, carbon_input, n_rows, parameters, column, threads, pools, soc)
end subroutine proda_pools

!> Soil carbon of the `proda` scheme at steady state (proda_batch).
subroutine proda_soil_carbon(n_columns, climate, exchange, carbon_input, n_rows, parameters, column, threads, soc)
   use proda_batch, only: batch_soil_carbon
   implicit none
   integer, intent(in) :: n_columns, n_rows, threads
   double precision, intent(in) :: climate(20, 12, 4, n_columns), exchange(20, 6, n_columns), carbon_input(5, n_columns)
   double precision, intent(in) :: parameters(21, n_rows)
   integer, intent(in) :: column(n_rows)
   double precision, intent(inout) :: soc(20, n_rows)
   !f2py threadsafe

   call batch_soil_carbon(n_columns, climate, exchange, carbon_input, n_rows, parameters, column, threads, soc)
end subroutine proda_soil_carbon

!> Soil carbon of the `proda` scheme and the gradient of a function of it (proda_batch).
subroutine proda_gradient(n_columns, climate, exchange, carbon_input, n_rows, parameters, column, soc_bar, threads, &
                          soc, parameters_bar, input_bar)
   use proda_batch, only: batch_gradient
   implicit none
   integer, intent(in) :: n_columns, n_rows, threads
   double precision, intent(in) :: climate(20, 12, 4, n_columns), exchange(20, 6, n_columns), carbon_input(5, n_columns)
   double precision, intent(in) :: parameters(21, n_rows)
   integer, intent(in) :: column(n_rows)
   double precision, intent(in) :: soc_bar(20, n_rows)
   double precision, intent(inout) :: soc(20, n_rows), parameters_bar(21, n_rows), input_bar(4, n_rows)
   !f2py threadsafe

   call batch_gradient(n_columns, climate, exchange, carbon_input, n_rows, parameters, column, soc_bar, threads, soc, &
                       parameters_bar, input_bar)
end subroutine proda_gradient

!> Gradient by parameters, climate and annual input (proda_sensitivity).
subroutine proda_full_gradient(n_columns, climate, exchange, carbon_input, n_rows, parameters, column, soc_bar, &
                               threads, parameters_bar, climate_bar, input_bar)
   use proda_sensitivity, only: batch_full_gradient
   implicit none
   integer, intent(in) :: n_columns, n_rows, threads
   double precision, intent(in) :: climate(20, 12, 4, n_columns), exchange(20, 6, n_columns), carbon_input(5, n_columns)
   double precision, intent(in) :: parameters(21, n_rows)
   integer, intent(in) :: column(n_rows)
   double precision, intent(in) :: soc_bar(20, n_rows)
   double precision, intent(inout) :: parameters_bar(21, n_rows), climate_bar(20, 12, 4, n_rows), input_bar(4, n_rows)
   !f2py threadsafe

   call batch_full_gradient(n_columns, climate, exchange, carbon_input, n_rows, parameters, column, soc_bar, threads, &
                            parameters_bar, climate_bar, input_bar)
end subroutine proda_full_gradient

!> Change of soil carbon with parameters, climate and annual input (proda_sensitivity).
subroutine proda_change(n_columns, climate, exchange, carbon_input, n_rows, parameters, column, parameters_change, &
                        climate_change, input_change, threads, soc_change)
   use proda_sensitivity, only: batch_change
   implicit none
   integer, intent(in) :: n_columns, n_rows, threads
   double precision, intent(in) :: climate(20, 12, 4, n_columns), exchange(20, 6, n_columns), carbon_input(5, n_columns)
   double precision, intent(in) :: parameters(21, n_rows)
   integer, intent(in) :: column(n_rows)
   double precision, intent(in) :: parameters_change(21, n_rows), climate_change(20, 12, 4, n_rows)
   double precision, intent(in) :: input_change(4, n_rows)
   double precision, intent(inout) :: soc_change(20, n_rows)
   !f2py threadsafe

   call batch_change(n_columns, climate, exchange, carbon_input, n_rows, parameters, column, parameters_change, &
                     climate_change, input_change, threads, soc_change)
end subroutine proda_change

!> Coefficients of the `proda` scheme (proda_batch).
subroutine proda_coefficients(n_columns, climate, exchange, carbon_input, n_rows, parameters, column, scalar, &
                              litter_scalar, lower, upper, profile)
   use proda_batch, only: batch_coefficients
   implicit none
   integer, intent(in) :: n_columns, n_rows
   double precision, intent(in) :: climate(20, 12, 4, n_columns), exchange(20, 6, n_columns), carbon_input(5, n_columns)
   double precision, intent(in) :: parameters(21, n_rows)
   integer, intent(in) :: column(n_rows)
   double precision, intent(out) :: scalar(20, n_rows), litter_scalar(20, n_rows)
   double precision, intent(out) :: lower(20, n_rows), upper(20, n_rows), profile(20, n_rows)
   !f2py threadsafe

   call batch_coefficients(n_columns, climate, exchange, carbon_input, n_rows, parameters, column, scalar, &
                           litter_scalar, lower, upper, profile)
end subroutine proda_coefficients

! Assimilation.

!> Weights of the published cost (published_profiles).
subroutine published_weights(n_profiles, n_obs, first, depth, observed, weights)
   use published_profiles, only: weights_of_profiles
   implicit none
   integer, intent(in) :: n_profiles, n_obs
   integer, intent(in) :: first(n_profiles + 1)
   double precision, intent(in) :: depth(n_obs), observed(n_obs)
   double precision, intent(out) :: weights(n_obs)

   call weights_of_profiles(first, depth, observed, weights)
end subroutine published_weights

!> Published cost of each profile, modelled values at depth and gradient by layer (published_profiles).
subroutine published_costs(n_profiles, n_obs, soc, first, depth, observed, weights, cost, modelled, soc_bar)
   use published_profiles, only: costs_of_profiles
   implicit none
   integer, intent(in) :: n_profiles, n_obs
   double precision, intent(in) :: soc(20, n_profiles)
   integer, intent(in) :: first(n_profiles + 1)
   double precision, intent(in) :: depth(n_obs), observed(n_obs), weights(n_obs)
   double precision, intent(out) :: cost(n_profiles), modelled(n_obs), soc_bar(20, n_profiles)

   call costs_of_profiles(soc, first, depth, observed, weights, cost, modelled, soc_bar)
end subroutine published_costs

!> Adaptive Metropolis at one site. `form` 0 takes the published cost (depth, weights), 1 errors of ln(SOC) (layers,
!> whitening, freedom); `prior` holds centre and precision; `start` and `draws` are places between the bounds, 0 to 1.
subroutine adaptive_metropolis_site(n_obs, n_chains, climate, exchange, carbon_input, lower, upper, prior, form, &
                                    depth, observed, weights, layers, whitening, freedom, words, start, n_warmup, &
                                    thinning, n_draws, draws, costs, acceptance)
   use adaptive_metropolis, only: sample_adaptive_metropolis
   use site_sampling, only: site_target, seeded_streams
   use site_density, only: site_posterior
   use random_numbers, only: generator
   implicit none
   integer, intent(in) :: n_obs, n_chains, form, n_warmup, thinning, n_draws
   double precision, intent(in) :: climate(20, 12, 4), exchange(20, 6), carbon_input(5), lower(21), upper(21)
   double precision, intent(in) :: prior(21, 2)
   double precision, intent(in) :: depth(n_obs), observed(n_obs), weights(n_obs)
   double precision, intent(in) :: layers(20, n_obs), whitening(n_obs, n_obs), freedom
   integer, intent(in) :: words(8, n_chains)
   double precision, intent(in) :: start(21, n_chains)
   double precision, intent(out) :: draws(21, n_draws, n_chains), costs(n_draws, n_chains), acceptance(n_chains)
   type(site_posterior) :: posterior
   type(generator) :: streams(n_chains)
   double precision :: points(21, n_chains)
   !f2py threadsafe

   posterior = site_target(climate, exchange, carbon_input, lower, upper, prior, form, depth, observed, weights, &
                           layers, whitening, freedom)
   streams = seeded_streams(words)
   points = start
   call sample_adaptive_metropolis(posterior, streams, n_warmup, thinning, points, draws, costs, acceptance)
end subroutine adaptive_metropolis_site

!> Hamiltonian Monte Carlo at one site; arguments as in adaptive_metropolis_site, with one column more in `words` for
!> the lengths of trajectories.
subroutine hamiltonian_site(n_obs, n_chains, climate, exchange, carbon_input, lower, upper, prior, form, depth, &
                            observed, weights, layers, whitening, freedom, words, start, n_warmup, n_draws, draws, &
                            costs, acceptance, divergent, gradients)
   use hamiltonian, only: sample_hamiltonian
   use site_sampling, only: site_target, seeded_streams
   use site_density, only: site_posterior
   use random_numbers, only: generator
   implicit none
   integer, intent(in) :: n_obs, n_chains, form, n_warmup, n_draws
   double precision, intent(in) :: climate(20, 12, 4), exchange(20, 6), carbon_input(5), lower(21), upper(21)
   double precision, intent(in) :: prior(21, 2)
   double precision, intent(in) :: depth(n_obs), observed(n_obs), weights(n_obs)
   double precision, intent(in) :: layers(20, n_obs), whitening(n_obs, n_obs), freedom
   integer, intent(in) :: words(8, n_chains + 1)
   double precision, intent(in) :: start(21, n_chains)
   double precision, intent(out) :: draws(21, n_draws, n_chains), costs(n_draws, n_chains), acceptance(n_chains)
   double precision, intent(out) :: divergent
   integer, intent(out) :: gradients
   type(site_posterior) :: posterior
   type(generator) :: streams(n_chains + 1)
   !f2py threadsafe

   posterior = site_target(climate, exchange, carbon_input, lower, upper, prior, form, depth, observed, weights, &
                           layers, whitening, freedom)
   streams = seeded_streams(words)
   call sample_hamiltonian(posterior, streams(:n_chains), streams(n_chains + 1), n_warmup, start, draws, costs, &
                           acceptance, divergent, gradients)
end subroutine hamiltonian_site

!> Laplace's approximation at one site; arguments as in adaptive_metropolis_site. `found` is 1 where the mode is.
subroutine laplace_site(n_obs, n_start, climate, exchange, carbon_input, lower, upper, prior, form, depth, observed, &
                        weights, layers, whitening, freedom, words, start, n_draws, mode, found, draws, costs, &
                        gradients)
   use laplace, only: approximate
   use site_sampling, only: site_target, seeded_streams
   use site_density, only: site_posterior
   use prior_probits, only: new_prior
   use random_numbers, only: generator
   implicit none
   integer, intent(in) :: n_obs, n_start, form, n_draws
   double precision, intent(in) :: climate(20, 12, 4), exchange(20, 6), carbon_input(5), lower(21), upper(21)
   double precision, intent(in) :: prior(21, 2)
   double precision, intent(in) :: depth(n_obs), observed(n_obs), weights(n_obs)
   double precision, intent(in) :: layers(20, n_obs), whitening(n_obs, n_obs), freedom
   integer, intent(in) :: words(8, 1)
   double precision, intent(in) :: start(21, n_start)
   double precision, intent(out) :: mode(21), draws(21, n_draws), costs(n_draws)
   integer, intent(out) :: found, gradients
   type(site_posterior) :: posterior
   type(generator) :: streams(1)
   logical :: at_mode
   !f2py threadsafe

   posterior = site_target(climate, exchange, carbon_input, lower, upper, 0.0d0*prior, form, depth, observed, weights, &
                           layers, whitening, freedom)
   streams = seeded_streams(words)
   call approximate(posterior, new_prior(prior(:, 1), prior(:, 2)), streams(1), start, mode, at_mode, draws, costs, &
                    gradients)
   found = merge(1, 0, at_mode)
end subroutine laplace_site

!> Whether the published code would call each row singular: estimate of its reciprocal condition number (proda_batch).
subroutine published_condition(n_columns, climate, exchange, carbon_input, n_rows, parameters, column, condition)
   use proda_batch, only: batch_condition
   implicit none
   integer, intent(in) :: n_columns, n_rows
   double precision, intent(in) :: climate(20, 12, 4, n_columns), exchange(20, 6, n_columns), carbon_input(5, n_columns)
   double precision, intent(in) :: parameters(21, n_rows)
   integer, intent(in) :: column(n_rows)
   double precision, intent(out) :: condition(n_rows)
   !f2py threadsafe

   call batch_condition(n_columns, climate, exchange, carbon_input, n_rows, parameters, column, condition)
end subroutine published_condition

!> The published sampler at up to eight sites (published_batch); `words` seeds one stream per site.
subroutine published_sites(n_sites, n_obs, n_chains, climate, exchange, carbon_input, lower, upper, count, depth, &
                           observed, weights, words, n_first, n_second, n_stored, draws, costs, mean, sd, carbon, &
                           accepted, evaluations, abandoned)
   use published_batch, only: sample_published_sites
   use site_sampling, only: seeded_streams
   implicit none
   integer, intent(in) :: n_sites, n_obs, n_chains, n_first, n_second, n_stored
   double precision, intent(in) :: climate(20, 12, 4, n_sites), exchange(20, 6, n_sites), carbon_input(5, n_sites)
   double precision, intent(in) :: lower(21), upper(21)
   integer, intent(in) :: count(n_sites), words(8, n_sites)
   double precision, intent(in) :: depth(n_obs, n_sites), observed(n_obs, n_sites), weights(n_obs, n_sites)
   double precision, intent(out) :: draws(21, n_stored, n_chains, n_sites), costs(n_stored, n_chains, n_sites)
   double precision, intent(out) :: mean(21, n_chains, n_sites), sd(21, n_chains, n_sites)
   double precision, intent(out) :: carbon(n_obs, n_chains, n_sites)
   integer, intent(out) :: accepted(n_chains, n_sites), evaluations(n_sites), abandoned(n_sites)
   !f2py threadsafe

   call sample_published_sites(climate, exchange, carbon_input, lower, upper, count, depth, observed, weights, &
                               seeded_streams(words), n_first, n_second, draws, costs, mean, sd, carbon, accepted, &
                               evaluations, abandoned)
end subroutine published_sites
