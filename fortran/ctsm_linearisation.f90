!> Common to tangent and adjoint of the annual mean: values and derivatives of one record.
module ctsm_linearisation
   use kinds, only: dp
   use soil_grid, only: n_layers, n_pools
   use ctsm_parameters, only: ctsm_scheme
   use ctsm_forcing, only: soil_column, soil_forcing, state_of, fpi_of, thaw_of
   use ctsm_rates, only: environment_scalars, evaluate_scalars, spinup_terms
   use ctsm_cascade, only: cascade_fractions, n_transitions, evaluate_fractions, nitrogen_factor
   use ctsm_diffusivity, only: mixing_profile, evaluate_mixing
   use ctsm_transport, only: face_exchange
   use ctsm_partials, only: scalar_partials, mixing_partials, exchange_partials, rate_partials, &
                            evaluate_scalar_partials, evaluate_mixing_partials, evaluate_exchange_partials, &
                            evaluate_rate_partials
   implicit none (type, external)
   private

   public :: constant_part, record_part, linearise_constants, linearise_record
   public :: i_temperature, i_water, i_oxygen, i_fpi

   !> Order of the forcing scalars with respect to which results are differentiated.
   integer, parameter :: i_temperature = 1
   integer, parameter :: i_water = 2
   integer, parameter :: i_oxygen = 3
   integer, parameter :: i_fpi = 4

   type :: constant_part
      type(cascade_fractions) :: fractions
      type(rate_partials) :: rates
      real(dp) :: spinup(n_pools)
      !> 1 where nitrogen limits a transition, 0 elsewhere.
      real(dp) :: limited(n_layers, n_transitions)
   end type constant_part

   type :: record_part
      type(environment_scalars) :: scalars
      real(dp) :: fpi(n_layers)
      !> What nitrogen leaves of each transition.
      real(dp) :: nitrogen(n_layers, n_transitions)
      type(scalar_partials) :: by_parameters
      type(mixing_partials) :: mixing
      type(exchange_partials) :: exchange
      real(dp), dimension(n_layers) :: downward, upward
   end type record_part

contains

   pure subroutine linearise_constants(scheme, column, constants)
      type(ctsm_scheme), intent(in) :: scheme
      type(soil_column), intent(in) :: column
      type(constant_part), intent(out) :: constants
      real(dp) :: free(n_layers, n_transitions), no_nitrogen(n_layers)

      no_nitrogen = 0.0_dp
      call evaluate_fractions(scheme, column%sand, constants%fractions)
      call evaluate_rate_partials(scheme, column%latitude, constants%rates)
      call nitrogen_factor(scheme, constants%fractions, column%donor_cn, no_nitrogen, free)
      constants%limited = 1.0_dp - free
      constants%spinup = spinup_terms(scheme, column%latitude)
   end subroutine linearise_constants

   pure subroutine linearise_record(scheme, column, forcing, c, record, constants, part)
      type(ctsm_scheme), intent(in) :: scheme
      type(soil_column), intent(in) :: column
      type(soil_forcing), intent(in) :: forcing
      integer, intent(in) :: c, record
      type(constant_part), intent(in) :: constants
      type(record_part), intent(out) :: part
      type(mixing_profile) :: mixing
      integer :: k

      part%fpi = fpi_of(forcing, c, record)
      do k = 1, n_transitions
         part%nitrogen(:, k) = 1.0_dp - constants%limited(:, k)*(1.0_dp - part%fpi)
      end do
      associate (state => state_of(forcing, c, record), thaw => thaw_of(forcing, c, record))
         call evaluate_scalars(scheme, state, part%scalars)
         call evaluate_scalar_partials(scheme, state, part%scalars, part%by_parameters)
         call evaluate_mixing(scheme, thaw, column%nbedrock, mixing)
         call evaluate_mixing_partials(scheme, thaw, column%nbedrock, part%mixing)
      end associate
      call face_exchange(mixing%diffusivity, mixing%velocity, column%nbedrock, part%downward, part%upward)
      call evaluate_exchange_partials(mixing, column%nbedrock, part%exchange)
   end subroutine linearise_record

end module ctsm_linearisation
