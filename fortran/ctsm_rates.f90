!> Decomposition rates of the CTSM schemes: temperature, water, oxygen and depth scalars, spin-up.
!>
!> CTSM: decomp_rate_constants_bgc in SoilBiogeochemDecompCascadeBGCMod; CLM5 tech note, chapter Decomposition,
!> section Environmental modifiers on decomposition rate (spin-up: Model Equilibration and its Acceleration).
module ctsm_rates
   use kinds, only: dp
   use soil_grid, only: n_layers, n_pools
   use ctsm_forcing, only: soil_state
   use ctsm_parameters, only: ctsm_scheme, century_temperature_function, freezing_point, spinup_threshold
   implicit none (type, external)
   private

   public :: environment_scalars
   public :: evaluate_scalars, decomposition_rates, spinup_terms, mixing_terms

   type :: environment_scalars
      real(dp), dimension(n_layers) :: temperature, water, oxygen
   end type environment_scalars

contains

   !> Temperature, water and oxygen scalars of one column.
   pure subroutine evaluate_scalars(scheme, state, scalars)
      type(ctsm_scheme), intent(in) :: scheme
      type(soil_state), intent(in) :: state
      type(environment_scalars), intent(out) :: scalars
      integer :: j

      do j = 1, n_layers
         scalars%temperature(j) = temperature_scalar(scheme, state%temperature(j))
         scalars%water(j) = water_scalar(scheme, state%water_potential(j))
         scalars%oxygen(j) = 1.0_dp
      end do
      if (.not. scheme%switches%use_lch4) return
      if (scheme%switches%anoxia_wtsat) then
         call wet_inundated_part(state, scalars%water)
         if (scheme%switches%anoxia) call oxygen_scalar_with_inundation(scheme, state, scalars%oxygen)
      else if (scheme%switches%anoxia) then
         scalars%oxygen = max(state%oxygen_unsaturated, scheme%parameters%mino2lim)
      end if
   end subroutine evaluate_scalars

   !> Q10 function with its frozen branch (273.15 K itself is unfrozen), or the CENTURY function.
   pure function temperature_scalar(scheme, temperature) result(scalar)
      type(ctsm_scheme), intent(in) :: scheme
      real(dp), intent(in) :: temperature
      real(dp) :: scalar

      associate (p => scheme%parameters)
         if (scheme%switches%use_century_tfunc) then
            scalar = max(century_temperature_function(temperature - freezing_point) &
                         /century_temperature_function(30.0_dp), 0.01_dp)
         else if (temperature >= freezing_point) then
            scalar = p%q10**((temperature - (freezing_point + 25.0_dp))/10.0_dp)
         else
            scalar = scheme%rate_at_freezing*p%froz_q10**((temperature - freezing_point)/10.0_dp)
         end if
      end associate
      scalar = scalar*scheme%temperature_normalisation
   end function temperature_scalar

   !> Logarithmic response between minpsi and maxpsi; nothing decomposes at minpsi or below.
   pure function water_scalar(scheme, potential) result(scalar)
      type(ctsm_scheme), intent(in) :: scheme
      real(dp), intent(in) :: potential
      real(dp) :: scalar, capped

      associate (p => scheme%parameters)
         capped = min(potential, p%maxpsi_hr)
         scalar = 0.0_dp
         if (capped > p%minpsi_hr) scalar = log(p%minpsi_hr/capped)/scheme%log_potential_range
      end associate
   end function water_scalar

   !> anoxia_wtsat (clm5.0 only): the inundated part has a water scalar of 1 where above freezing.
   pure subroutine wet_inundated_part(state, water)
      type(soil_state), intent(in) :: state
      real(dp), intent(inout) :: water(n_layers)

      where (state%temperature > freezing_point)
         water = water*(1.0_dp - state%inundated_fraction) + state%inundated_fraction
      end where
   end subroutine wet_inundated_part

   pure subroutine oxygen_scalar_with_inundation(scheme, state, oxygen)
      type(ctsm_scheme), intent(in) :: scheme
      type(soil_state), intent(in) :: state
      real(dp), intent(out) :: oxygen(n_layers)

      associate (floor => scheme%parameters%mino2lim, wet => state%inundated_fraction)
         oxygen = max(state%oxygen_unsaturated, floor)*(1.0_dp - wet) + max(state%oxygen_saturated, floor)*wet
      end associate
   end subroutine oxygen_scalar_with_inundation

   !> Rate of each pool and layer (s-1), spin-up included.
   pure subroutine decomposition_rates(scheme, scalars, spinup, rate)
      type(ctsm_scheme), intent(in) :: scheme
      type(environment_scalars), intent(in) :: scalars
      real(dp), intent(in) :: spinup(n_pools)
      real(dp), intent(out) :: rate(n_layers, n_pools)
      integer :: pool

      do pool = 1, n_pools
         rate(:, pool) = scheme%base_rate(pool)*scalars%temperature*scalars%water &
            *scheme%depth_scalar*scalars%oxygen*spinup(pool)
      end do
   end subroutine decomposition_rates

   !> Factor by which spin-up speeds up the decay of each pool at a latitude (degrees north).
   pure function spinup_terms(scheme, latitude) result(term)
      type(ctsm_scheme), intent(in) :: scheme
      real(dp), intent(in) :: latitude
      real(dp) :: term(n_pools)

      term = 1.0_dp
      where (speeds_up(scheme)) term = mixing_terms(scheme, latitude)
   end function spinup_terms

   !> The same for the mixing of each pool, which alone keeps a factor too near to 1 to speed up decay.
   pure function mixing_terms(scheme, latitude) result(term)
      type(ctsm_scheme), intent(in) :: scheme
      real(dp), intent(in) :: latitude
      real(dp) :: term(n_pools)

      term = 1.0_dp
      if (.not. scheme%switches%spinup) return
      term = scheme%spinup_factor
      where (speeds_up(scheme)) term = term*latitude_term(latitude)
   end function mixing_terms

   pure function speeds_up(scheme) result(pool)
      type(ctsm_scheme), intent(in) :: scheme
      logical :: pool(n_pools)

      pool = abs(scheme%spinup_factor - 1.0_dp) > spinup_threshold
   end function speeds_up

   !> Logistic rise from 1 in the tropics to 51 at the poles (CTSM: get_spinup_latitude_term).
   pure function latitude_term(latitude) result(term)
      real(dp), intent(in) :: latitude
      real(dp) :: term

      term = 1.0_dp + 50.0_dp/(1.0_dp + exp(-0.15_dp*(abs(latitude) - 60.0_dp)))
   end function latitude_term

end module ctsm_rates
