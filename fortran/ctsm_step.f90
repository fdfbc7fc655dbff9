!> One full step of soil biogeochemistry of one column, in CTSM's order.
!>
!> CTSM: CNDriverNoLeaching. All rates use the pools at the start of the step. Many steps: run_columns in ctsm_columns.
module ctsm_step
   use kinds, only: dp
   use soil_grid, only: n_layers, n_pools
   use ctsm_parameters, only: ctsm_scheme
   use ctsm_forcing, only: soil_column, soil_state
   use ctsm_rates, only: environment_scalars, evaluate_scalars, decomposition_rates, spinup_terms, mixing_terms
   use ctsm_cascade, only: cascade_fractions, cascade_fluxes, n_transitions, evaluate_fractions, &
                           evaluate_fluxes, add_sources_and_sinks, nitrogen_factor
   use ctsm_diffusivity, only: mixing_profile, evaluate_mixing
   use ctsm_transport, only: transport_solver, new_solver, transport_pools, fold_bedrock
   implicit none (type, external)
   private

   public :: step_coefficients
   public :: evaluate_coefficients, full_step

   !> All that a step needs besides pools and input.
   type :: step_coefficients
      real(dp) :: rate(n_layers, n_pools)
      real(dp) :: nitrogen(n_layers, n_transitions)
      type(cascade_fractions) :: fractions
      type(transport_solver) :: solver
   end type step_coefficients

contains

   !> Rates, fractions, nitrogen limitation and the transport rows of one column and step.
   pure subroutine evaluate_coefficients(scheme, column, state, fpi, thaw, dt, coefficients)
      type(ctsm_scheme), intent(in) :: scheme
      type(soil_column), intent(in) :: column
      type(soil_state), intent(in) :: state
      real(dp), intent(in) :: fpi(n_layers), thaw, dt
      type(step_coefficients), intent(out) :: coefficients
      type(environment_scalars) :: scalars
      type(mixing_profile) :: mixing

      call evaluate_scalars(scheme, state, scalars)
      call decomposition_rates(scheme, scalars, spinup_terms(scheme, column%latitude), coefficients%rate)
      call evaluate_fractions(scheme, column%sand, coefficients%fractions)
      call nitrogen_factor(scheme, coefficients%fractions, column%donor_cn, fpi, coefficients%nitrogen)
      call evaluate_mixing(scheme, thaw, column%nbedrock, mixing)
      call new_solver(scheme, mixing, column%nbedrock, mixing_terms(scheme, column%latitude), dt, coefficients%solver)
   end subroutine evaluate_coefficients

   !> Pools after one step (gC m-3) with an input rate (gC m-3 s-1), and the fluxes of that step.
   pure subroutine full_step(coefficients, nbedrock, input, dt, pools, fluxes)
      type(step_coefficients), intent(in) :: coefficients
      integer, intent(in) :: nbedrock
      real(dp), intent(in) :: input(n_layers, n_pools), dt
      real(dp), intent(inout) :: pools(n_layers, n_pools)
      type(cascade_fluxes), intent(out) :: fluxes
      real(dp) :: change(n_layers, n_pools)

      call evaluate_fluxes(pools, coefficients%rate, coefficients%fractions, coefficients%nitrogen, fluxes)
      call add_sources_and_sinks(input, fluxes, dt, change)
      call transport_pools(coefficients%solver, change, pools)
      call fold_bedrock(nbedrock, pools)
   end subroutine full_step

end module ctsm_step
