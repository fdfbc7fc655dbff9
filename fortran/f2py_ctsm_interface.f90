! The flat face of the CTSM schemes, as f2py_interface.f90 is of the rest of the kernel.
!
! switches(8): version, spinup, use_lch4, anoxia, anoxia_wtsat, normalize_q10_to_century, use_century_tfunc,
! conservative. parameters(31, sets) as in ctsm_parameter_set; row(n) says which row a column uses.

!> Scalars (temperature, water, oxygen, depth), rates (s-1) and fractions of one moment.
subroutine ctsm_rates(n, n_sets, switches, parameters, row, latitude, sand, temperature, water_potential, &
                      oxygen_unsaturated, oxygen_saturated, inundated_fraction, threads, scalars, rate, path, &
                      respired, spinup_factor, spinup_term)
   use ctsm_parameters, only: switches_from
   use ctsm_forcing, only: soil_columns, soil_forcing
   use ctsm_columns, only: rates_of_columns
   implicit none
   integer, intent(in) :: n, n_sets, switches(8), threads
   integer, intent(in), target :: row(n)
   double precision, intent(in) :: parameters(31, n_sets)
   double precision, intent(in), target :: latitude(n), sand(20, n)
   double precision, intent(in), target :: temperature(20, n, 1), water_potential(20, n, 1)
   double precision, intent(in), target :: oxygen_unsaturated(20, n, 1), oxygen_saturated(20, n, 1)
   double precision, intent(in), target :: inundated_fraction(n, 1)
   double precision, intent(out) :: scalars(20, 4, n), rate(20, 7, n), path(20, 10, n), respired(20, 10, n)
   double precision, intent(out) :: spinup_factor(7, n), spinup_term(7, n)
   type(soil_columns) :: columns
   type(soil_forcing) :: forcing
   !f2py threadsafe

   columns%set => row
   columns%latitude => latitude
   columns%sand => sand
   forcing%temperature => temperature
   forcing%water_potential => water_potential
   forcing%oxygen_unsaturated => oxygen_unsaturated
   forcing%oxygen_saturated => oxygen_saturated
   forcing%inundated_fraction => inundated_fraction
   call rates_of_columns(switches_from(switches), parameters, columns, forcing, threads, scalars, rate, path, &
                         respired, spinup_factor, spinup_term)
end subroutine ctsm_rates

!> Diffusivity (m2 s-1) and advective velocity (m s-1), levels 1 to 21.
subroutine ctsm_mixing(n, n_sets, switches, parameters, row, nbedrock, altmax, altmax_lastyear, threads, &
                       diffusivity, velocity)
   use ctsm_parameters, only: switches_from
   use ctsm_forcing, only: soil_columns, soil_forcing
   use ctsm_columns, only: mixing_of_columns
   implicit none
   integer, intent(in) :: n, n_sets, switches(8), threads
   integer, intent(in), target :: row(n), nbedrock(n)
   double precision, intent(in) :: parameters(31, n_sets)
   double precision, intent(in), target :: altmax(n, 1), altmax_lastyear(n, 1)
   double precision, intent(out) :: diffusivity(21, n), velocity(21, n)
   type(soil_columns) :: columns
   type(soil_forcing) :: forcing
   !f2py threadsafe

   columns%set => row
   columns%nbedrock => nbedrock
   forcing%altmax => altmax
   forcing%altmax_lastyear => altmax_lastyear
   call mixing_of_columns(switches_from(switches), parameters, columns, forcing, threads, diffusivity, velocity)
end subroutine ctsm_mixing

!> `calls` steps of transport with the same change (gC m-3) at each.
subroutine ctsm_transport(n, n_sets, switches, parameters, row, nbedrock, latitude, altmax, altmax_lastyear, &
                          dt, calls, start, change, threads, pools, tendency)
   use ctsm_parameters, only: switches_from
   use ctsm_forcing, only: soil_columns, soil_forcing
   use ctsm_columns, only: transport_columns
   implicit none
   integer, intent(in) :: n, n_sets, switches(8), calls, threads
   integer, intent(in), target :: row(n), nbedrock(n)
   double precision, intent(in) :: parameters(31, n_sets), dt, start(20, 7, n), change(20, 7, n)
   double precision, intent(in), target :: latitude(n), altmax(n, 1), altmax_lastyear(n, 1)
   double precision, intent(out) :: pools(20, 7, n), tendency(20, 7, n)
   type(soil_columns) :: columns
   type(soil_forcing) :: forcing
   !f2py threadsafe

   columns%set => row
   columns%nbedrock => nbedrock
   columns%latitude => latitude
   forcing%altmax => altmax
   forcing%altmax_lastyear => altmax_lastyear
   pools = start
   call transport_columns(switches_from(switches), parameters, columns, forcing, dt, calls, change, threads, &
                          pools, tendency)
end subroutine ctsm_transport

!> One pool's block of tri_ma_vr (1 per step).
subroutine ctsm_matrix(n, n_sets, switches, parameters, row, nbedrock, latitude, altmax, altmax_lastyear, &
                       dt, threads, blocks)
   use ctsm_parameters, only: switches_from
   use ctsm_forcing, only: soil_columns, soil_forcing
   use ctsm_columns, only: matrix_of_columns
   implicit none
   integer, intent(in) :: n, n_sets, switches(8), threads
   integer, intent(in), target :: row(n), nbedrock(n)
   double precision, intent(in) :: parameters(31, n_sets), dt
   double precision, intent(in), target :: latitude(n), altmax(n, 1), altmax_lastyear(n, 1)
   double precision, intent(out) :: blocks(58, n)
   type(soil_columns) :: columns
   type(soil_forcing) :: forcing
   !f2py threadsafe

   columns%set => row
   columns%nbedrock => nbedrock
   columns%latitude => latitude
   forcing%altmax => altmax
   forcing%altmax_lastyear => altmax_lastyear
   call matrix_of_columns(switches_from(switches), parameters, columns, forcing, dt, threads, blocks)
end subroutine ctsm_matrix

!> One step with the first record: pools (gC m-3) and fluxes by transition (gC m-3 s-1).
subroutine ctsm_one_step(n, n_sets, r_temperature, r_potential, r_unsaturated, r_saturated, r_inundated, r_fpi, &
                         r_altmax, r_lastyear, r_input, switches, parameters, row, nbedrock, latitude, sand, donor_cn, &
                         temperature, water_potential, oxygen_unsaturated, oxygen_saturated, inundated_fraction, fpi, &
                         altmax, altmax_lastyear, carbon_input, dt, start, threads, pools, respiration, transfer)
   use ctsm_parameters, only: switches_from
   use ctsm_forcing, only: soil_columns, soil_forcing
   use ctsm_columns, only: step_columns
   implicit none
   integer, intent(in) :: n, n_sets, r_temperature, r_potential, r_unsaturated, r_saturated
   integer, intent(in) :: r_inundated, r_fpi, r_altmax, r_lastyear, r_input, switches(8), threads
   integer, intent(in), target :: row(n), nbedrock(n)
   double precision, intent(in) :: parameters(31, n_sets), dt, start(20, 7, n)
   double precision, intent(in), target :: latitude(n), sand(20, n), donor_cn(7, n)
   double precision, intent(in), target :: temperature(20, n, r_temperature), water_potential(20, n, r_potential)
   double precision, intent(in), target :: oxygen_unsaturated(20, n, r_unsaturated)
   double precision, intent(in), target :: oxygen_saturated(20, n, r_saturated)
   double precision, intent(in), target :: inundated_fraction(n, r_inundated), fpi(20, n, r_fpi)
   double precision, intent(in), target :: altmax(n, r_altmax), altmax_lastyear(n, r_lastyear)
   double precision, intent(in), target :: carbon_input(20, 7, n, r_input)
   double precision, intent(inout) :: pools(20, 7, n), respiration(20, 10, n), transfer(20, 10, n)
   type(soil_columns) :: columns
   type(soil_forcing) :: forcing
   !f2py threadsafe

   columns = soil_columns(row, nbedrock, latitude, sand, donor_cn)
   forcing = soil_forcing(temperature, water_potential, oxygen_unsaturated, oxygen_saturated, fpi, &
                          inundated_fraction, altmax, altmax_lastyear, carbon_input)
   call step_columns(switches_from(switches), parameters, columns, forcing, dt, start, threads, pools, respiration, &
                     transfer)
end subroutine ctsm_one_step

!> Many full steps. The r_... are the records of each forcing field, 1 where it is constant.
subroutine ctsm_run(n, n_sets, n_steps, n_slots, r_temperature, r_potential, r_unsaturated, r_saturated, r_inundated, &
                    r_fpi, r_altmax, r_lastyear, r_input, switches, parameters, row, nbedrock, latitude, sand, &
                    donor_cn, temperature, water_potential, oxygen_unsaturated, oxygen_saturated, inundated_fraction, &
                    fpi, altmax, altmax_lastyear, carbon_input, dt, record, slot, start, threads, &
                    saved_pools, saved_respiration, saved_input)
   use ctsm_parameters, only: switches_from
   use ctsm_forcing, only: soil_columns, soil_forcing
   use ctsm_columns, only: run_columns
   implicit none
   integer, intent(in) :: n, n_sets, n_steps, n_slots, r_temperature, r_potential, r_unsaturated, r_saturated
   integer, intent(in) :: r_inundated, r_fpi, r_altmax, r_lastyear, r_input, switches(8), threads
   integer, intent(in), target :: row(n), nbedrock(n)
   integer, intent(in) :: record(n_steps), slot(n_steps)
   double precision, intent(in) :: parameters(31, n_sets), dt, start(20, 7, n)
   double precision, intent(in), target :: latitude(n), sand(20, n), donor_cn(7, n)
   double precision, intent(in), target :: temperature(20, n, r_temperature), water_potential(20, n, r_potential)
   double precision, intent(in), target :: oxygen_unsaturated(20, n, r_unsaturated)
   double precision, intent(in), target :: oxygen_saturated(20, n, r_saturated)
   double precision, intent(in), target :: inundated_fraction(n, r_inundated), fpi(20, n, r_fpi)
   double precision, intent(in), target :: altmax(n, r_altmax), altmax_lastyear(n, r_lastyear)
   double precision, intent(in), target :: carbon_input(20, 7, n, r_input)
   double precision, intent(inout) :: saved_pools(20, 7, n_slots, n)
   double precision, intent(inout) :: saved_respiration(n_slots, n), saved_input(n_slots, n)
   type(soil_columns) :: columns
   type(soil_forcing) :: forcing
   !f2py threadsafe

   columns = soil_columns(row, nbedrock, latitude, sand, donor_cn)
   forcing = soil_forcing(temperature, water_potential, oxygen_unsaturated, oxygen_saturated, fpi, &
                          inundated_fraction, altmax, altmax_lastyear, carbon_input)
   call run_columns(switches_from(switches), parameters, columns, forcing, dt, record, slot, start, threads, &
                    saved_pools, saved_respiration, saved_input)
end subroutine ctsm_run

!> Pools (gC m-3) at the steady state of the mean year; weight is each record's share of the year.
subroutine ctsm_steady(n, n_sets, n_records, r_temperature, r_potential, r_unsaturated, r_saturated, r_inundated, &
                       r_fpi, r_altmax, r_lastyear, r_input, switches, parameters, row, nbedrock, latitude, sand, &
                       donor_cn, temperature, water_potential, oxygen_unsaturated, oxygen_saturated, &
                       inundated_fraction, fpi, altmax, altmax_lastyear, carbon_input, weight, threads, pools, status)
   use ctsm_parameters, only: switches_from
   use ctsm_forcing, only: soil_columns, soil_forcing
   use ctsm_equilibrium, only: steady_columns
   implicit none
   integer, intent(in) :: n, n_sets, n_records, r_temperature, r_potential, r_unsaturated, r_saturated
   integer, intent(in) :: r_inundated, r_fpi, r_altmax, r_lastyear, r_input, switches(8), threads
   integer, intent(in), target :: row(n), nbedrock(n)
   double precision, intent(in) :: parameters(31, n_sets), weight(n_records)
   double precision, intent(in), target :: latitude(n), sand(20, n), donor_cn(7, n)
   double precision, intent(in), target :: temperature(20, n, r_temperature), water_potential(20, n, r_potential)
   double precision, intent(in), target :: oxygen_unsaturated(20, n, r_unsaturated)
   double precision, intent(in), target :: oxygen_saturated(20, n, r_saturated)
   double precision, intent(in), target :: inundated_fraction(n, r_inundated), fpi(20, n, r_fpi)
   double precision, intent(in), target :: altmax(n, r_altmax), altmax_lastyear(n, r_lastyear)
   double precision, intent(in), target :: carbon_input(20, 7, n, r_input)
   double precision, intent(out) :: pools(20, 7, n)
   integer, intent(out) :: status(n)
   type(soil_columns) :: columns
   type(soil_forcing) :: forcing
   !f2py threadsafe

   columns = soil_columns(row, nbedrock, latitude, sand, donor_cn)
   forcing = soil_forcing(temperature, water_potential, oxygen_unsaturated, oxygen_saturated, fpi, &
                          inundated_fraction, altmax, altmax_lastyear, carbon_input)
   call steady_columns(switches_from(switches), parameters, columns, forcing, weight, threads, pools, status)
end subroutine ctsm_steady

!> Pools (gC m-3) that balance a source (gC m-3 s-1) under the mean coefficients of the year.
subroutine ctsm_balance(n, n_sets, n_records, r_temperature, r_potential, r_unsaturated, r_saturated, r_inundated, &
                        r_fpi, r_altmax, r_lastyear, r_input, switches, parameters, row, nbedrock, latitude, sand, &
                        donor_cn, temperature, water_potential, oxygen_unsaturated, oxygen_saturated, &
                        inundated_fraction, fpi, altmax, altmax_lastyear, carbon_input, weight, source, threads, pools)
   use ctsm_parameters, only: switches_from
   use ctsm_forcing, only: soil_columns, soil_forcing
   use ctsm_equilibrium, only: balance_columns
   implicit none
   integer, intent(in) :: n, n_sets, n_records, r_temperature, r_potential, r_unsaturated, r_saturated
   integer, intent(in) :: r_inundated, r_fpi, r_altmax, r_lastyear, r_input, switches(8), threads
   integer, intent(in), target :: row(n), nbedrock(n)
   double precision, intent(in) :: parameters(31, n_sets), weight(n_records), source(20, 7, n)
   double precision, intent(in), target :: latitude(n), sand(20, n), donor_cn(7, n)
   double precision, intent(in), target :: temperature(20, n, r_temperature), water_potential(20, n, r_potential)
   double precision, intent(in), target :: oxygen_unsaturated(20, n, r_unsaturated)
   double precision, intent(in), target :: oxygen_saturated(20, n, r_saturated)
   double precision, intent(in), target :: inundated_fraction(n, r_inundated), fpi(20, n, r_fpi)
   double precision, intent(in), target :: altmax(n, r_altmax), altmax_lastyear(n, r_lastyear)
   double precision, intent(in), target :: carbon_input(20, 7, n, r_input)
   double precision, intent(out) :: pools(20, 7, n)
   type(soil_columns) :: columns
   type(soil_forcing) :: forcing
   !f2py threadsafe

   columns = soil_columns(row, nbedrock, latitude, sand, donor_cn)
   forcing = soil_forcing(temperature, water_potential, oxygen_unsaturated, oxygen_saturated, fpi, &
                          inundated_fraction, altmax, altmax_lastyear, carbon_input)
   call balance_columns(switches_from(switches), parameters, columns, forcing, weight, source, threads, pools)
end subroutine ctsm_balance

!> Change of the steady pools with parameters of each column, scalars (temperature, water, oxygen, fpi) and input.
subroutine ctsm_tangent(n, n_sets, n_records, r_temperature, r_potential, r_unsaturated, r_saturated, r_inundated, &
                        r_fpi, r_altmax, r_lastyear, r_input, switches, parameters, row, nbedrock, latitude, sand, &
                        donor_cn, temperature, water_potential, oxygen_unsaturated, oxygen_saturated, &
                        inundated_fraction, fpi, altmax, altmax_lastyear, carbon_input, weight, &
                        parameters_change, scalars_change, input_change, threads, pools_change, status)
   use ctsm_parameters, only: switches_from
   use ctsm_forcing, only: soil_columns, soil_forcing
   use ctsm_equilibrium, only: tangent_columns
   implicit none
   integer, intent(in) :: n, n_sets, n_records, r_temperature, r_potential, r_unsaturated, r_saturated
   integer, intent(in) :: r_inundated, r_fpi, r_altmax, r_lastyear, r_input, switches(8), threads
   integer, intent(in), target :: row(n), nbedrock(n)
   double precision, intent(in) :: parameters(31, n_sets), weight(n_records), parameters_change(31, n)
   double precision, intent(in) :: scalars_change(20, 4, n_records, n), input_change(20, 7, n_records, n)
   double precision, intent(in), target :: latitude(n), sand(20, n), donor_cn(7, n)
   double precision, intent(in), target :: temperature(20, n, r_temperature), water_potential(20, n, r_potential)
   double precision, intent(in), target :: oxygen_unsaturated(20, n, r_unsaturated)
   double precision, intent(in), target :: oxygen_saturated(20, n, r_saturated)
   double precision, intent(in), target :: inundated_fraction(n, r_inundated), fpi(20, n, r_fpi)
   double precision, intent(in), target :: altmax(n, r_altmax), altmax_lastyear(n, r_lastyear)
   double precision, intent(in), target :: carbon_input(20, 7, n, r_input)
   double precision, intent(out) :: pools_change(20, 7, n)
   integer, intent(out) :: status(n)
   type(soil_columns) :: columns
   type(soil_forcing) :: forcing
   !f2py threadsafe

   columns = soil_columns(row, nbedrock, latitude, sand, donor_cn)
   forcing = soil_forcing(temperature, water_potential, oxygen_unsaturated, oxygen_saturated, fpi, &
                          inundated_fraction, altmax, altmax_lastyear, carbon_input)
   call tangent_columns(switches_from(switches), parameters, columns, forcing, weight, parameters_change, &
                        scalars_change, input_change, threads, pools_change, status)
end subroutine ctsm_tangent

!> Gradient of sum(pools_bar * steady pools), the transpose of ctsm_tangent.
subroutine ctsm_adjoint(n, n_sets, n_records, r_temperature, r_potential, r_unsaturated, r_saturated, r_inundated, &
                        r_fpi, r_altmax, r_lastyear, r_input, switches, parameters, row, nbedrock, latitude, sand, &
                        donor_cn, temperature, water_potential, oxygen_unsaturated, oxygen_saturated, &
                        inundated_fraction, fpi, altmax, altmax_lastyear, carbon_input, weight, &
                        pools_bar, threads, parameters_bar, scalars_bar, input_bar, status)
   use ctsm_parameters, only: switches_from
   use ctsm_forcing, only: soil_columns, soil_forcing
   use ctsm_equilibrium, only: adjoint_columns
   implicit none
   integer, intent(in) :: n, n_sets, n_records, r_temperature, r_potential, r_unsaturated, r_saturated
   integer, intent(in) :: r_inundated, r_fpi, r_altmax, r_lastyear, r_input, switches(8), threads
   integer, intent(in), target :: row(n), nbedrock(n)
   double precision, intent(in) :: parameters(31, n_sets), weight(n_records), pools_bar(20, 7, n)
   double precision, intent(in), target :: latitude(n), sand(20, n), donor_cn(7, n)
   double precision, intent(in), target :: temperature(20, n, r_temperature), water_potential(20, n, r_potential)
   double precision, intent(in), target :: oxygen_unsaturated(20, n, r_unsaturated)
   double precision, intent(in), target :: oxygen_saturated(20, n, r_saturated)
   double precision, intent(in), target :: inundated_fraction(n, r_inundated), fpi(20, n, r_fpi)
   double precision, intent(in), target :: altmax(n, r_altmax), altmax_lastyear(n, r_lastyear)
   double precision, intent(in), target :: carbon_input(20, 7, n, r_input)
   double precision, intent(out) :: parameters_bar(31, n)
   double precision, intent(out) :: scalars_bar(20, 4, n_records, n), input_bar(20, 7, n_records, n)
   integer, intent(out) :: status(n)
   type(soil_columns) :: columns
   type(soil_forcing) :: forcing
   !f2py threadsafe

   columns = soil_columns(row, nbedrock, latitude, sand, donor_cn)
   forcing = soil_forcing(temperature, water_potential, oxygen_unsaturated, oxygen_saturated, fpi, &
                          inundated_fraction, altmax, altmax_lastyear, carbon_input)
   call adjoint_columns(switches_from(switches), parameters, columns, forcing, weight, pools_bar, threads, &
                        parameters_bar, scalars_bar, input_bar, status)
end subroutine ctsm_adjoint
